"""Compressed files: formats, members, skipping, damage, long lines."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from lodur.agent.positions import Cursor
from lodur.agent.sources.file.block import LINE_BYTES_MAX
from lodur.agent.sources.file.decompress import CompressedReader
from lodur.agent.sources.file.ledger import Ledger
from lodur.agent.sources.file.options import Compression
from lodur.model.clock import ManualClock

LINES = b"".join(b"line %d of the file\n" % number for number in range(20_000))


def reader(path: Path, compression: Compression = Compression.GZIP, **options: object) -> CompressedReader:
    start = options.get("start")
    clock = options.get("clock") or ManualClock()
    assert isinstance(clock, ManualClock)
    assert start is None or isinstance(start, Cursor)
    return CompressedReader(
        str(path),
        start=start,
        ledger=Ledger({}),
        clock=clock,
        compression=compression,
        initial_delay_s=10.0 if "clock" in options else 0.0,
        chunk_bytes=4096,
    )


def read_all(source: CompressedReader) -> tuple[bytes, Cursor]:
    out, cursor = b"", Cursor(-1, None)
    while not source.is_finished():
        block = source.poll()
        if block is not None:
            out += block.data
            cursor = block.cursor
    return out, cursor


@pytest.mark.parametrize(
    ("compression", "pack"),
    [(Compression.GZIP, gzip.compress), (Compression.ZLIB, zlib.compress), (Compression.BZIP2, bz2.compress)],
)
def test_reads_each_format_and_counts_lines(
    tmp_path: Path, compression: Compression, pack: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "packed"
    file.write_bytes(pack(LINES))
    out, cursor = read_all(reader(file, compression))
    assert out == LINES
    assert cursor.offset == 20_000


def test_reads_all_members(tmp_path: Path) -> None:
    file = tmp_path / "two.gz"
    file.write_bytes(gzip.compress(b"one\ntw") + gzip.compress(b"o\nthree") + b"\0" * 100)
    out, cursor = read_all(reader(file))
    assert (out, cursor.offset) == (b"one\ntwo\nthree", 3)


@pytest.mark.parametrize("sent", [0, 1, 777, 19_999, 20_000])
def test_skips_lines_that_were_sent(tmp_path: Path, sent: int) -> None:
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(LINES))
    out, cursor = read_all(reader(file, start=Cursor(sent, None)))
    assert out == b"".join(LINES.splitlines(keepends=True)[sent:])
    assert cursor.offset == 20_000


def test_waits_for_the_initial_delay(tmp_path: Path) -> None:
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(b"one\n"))
    clock = ManualClock()
    source = reader(file, clock=clock)
    assert source.poll() is None
    assert not source.is_finished()
    clock.advance(10.0)
    assert read_all(source)[0] == b"one\n"


def test_damaged_data_gives_the_lines_before_the_damage(tmp_path: Path) -> None:
    file = tmp_path / "a.gz"
    packed = gzip.compress(LINES)
    file.write_bytes(packed[: len(packed) // 2])
    out, cursor = read_all(reader(file))
    assert out
    assert LINES.startswith(out)
    assert out.endswith(b"\n")
    assert cursor.offset == out.count(b"\n")


def test_a_file_that_has_grown_is_read_on(tmp_path: Path) -> None:
    file = tmp_path / "a.gz"
    packed = gzip.compress(LINES)
    file.write_bytes(packed[: len(packed) // 2])
    first = reader(file)
    out, cursor = read_all(first)
    assert not first.has_changed()
    file.write_bytes(packed)
    assert first.has_changed()
    assert out + read_all(reader(file, start=cursor))[0] == LINES


def test_plain_text_is_no_gzip(tmp_path: Path) -> None:
    file = tmp_path / "a.gz"
    file.write_bytes(b"not packed\n")
    assert read_all(reader(file))[0] == b""


def test_a_long_line_is_cut_and_the_file_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "bomb.gz"
    file.write_bytes(gzip.compress(b"first\n" + b"x" * (3 * LINE_BYTES_MAX) + b"\nlast\n"))
    out, cursor = read_all(reader(file))
    assert out == b"first\n" + b"x" * LINE_BYTES_MAX + b"last\n"
    assert cursor.offset == 3
