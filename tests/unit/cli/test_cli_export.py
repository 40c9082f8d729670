"""`lodur export` against a server of Loki's shapes: the files, the pages, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.cli.fake_loki import Cli, FakeLoki

S = 1_000_000_000
T0 = 1_730_000_000 * S
SPAN = ("--from", "1730000000", "--to", "1730200000")
RANGE = "/loki/api/v1/query_range"


@pytest.fixture
def lines(loki: FakeLoki) -> FakeLoki:
    """Lines of three days, some with one timestamp."""
    loki.entries = [
        (T0 + n // 3 * 40_000 * S + 1, {"app": "a"}, f"line {n}\n" if n == 5 else f"line {n}") for n in range(15)
    ]
    return loki


def test_standard_output_has_lines_of_json(cli: Cli, lines: FakeLoki) -> None:
    result = cli("export", '{app="a"}', *SPAN)
    assert result.exit_code == 0
    assert result.stderr == "exported 15 entries to standard output\n"
    entries = [json.loads(line) for line in result.stdout.splitlines()]
    assert entries[5] == {"timestamp": "2024-10-27T14:40:00.000000001Z", "labels": {"app": "a"}, "line": "line 5\n"}
    assert [entry["line"].rstrip() for entry in entries] == [f"line {n}" for n in range(15)]
    assert {request.headers["X-Loki-Response-Encoding-Flags"] for request in lines.received} == {"categorize-labels"}
    assert {request.param("direction") for request in lines.received} == {"FORWARD"}


@pytest.mark.parametrize(
    ("suffix", "opened"),
    [("", bytes), (".gz", gzip.decompress), (".bz2", bz2.decompress), (".xz", lzma.decompress)],
)
def test_files_by_their_names(
    cli: Cli, lines: FakeLoki, tmp_path: Path, suffix: str, opened: Callable[[bytes], bytes]
) -> None:
    target = tmp_path / f"x.log{suffix}"
    result = cli("export", '{app="a"}', str(target), *SPAN, "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert opened(target.read_bytes()).decode() == "".join(f"line {n}\n" for n in range(15))
    assert list(tmp_path.iterdir()) == [target]


def test_a_pipe_is_written_to_and_stays(cli: Cli, lines: FakeLoki, tmp_path: Path) -> None:
    pipe = tmp_path / "x.log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert cli("export", '{app="a"}', str(pipe), *SPAN, "-q").exit_code == 0
    assert os.read(reader, 65536).decode() == "".join(f"line {n}\n" for n in range(15))
    os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_stays_one(cli: Cli, lines: FakeLoki, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "x.log").symlink_to("there/y")
    assert cli("export", '{app="a"}', str(tmp_path / "x.log"), *SPAN, "-q").exit_code == 0
    assert (tmp_path / "x.log").is_symlink()
    assert (tmp_path / "there/y").read_text().startswith("line 0\n")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["y"]


def test_files_of_zstd(cli: Cli, lines: FakeLoki, tmp_path: Path) -> None:
    target = tmp_path / "x.jsonl.zst"
    assert cli("export", '{app="a"}', str(target), *SPAN).exit_code == 0
    with pa.CompressedInputStream(str(target), "zstd") as stream:
        assert len(stream.read().splitlines()) == 15


def test_without_a_terminal_a_line_now_and_then_says_how_far_it_is(
    cli: Cli, lines: FakeLoki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodur.cli.progress_lines.LINE_EVERY_S", 0.0)
    result = cli("export", '{app="a"}', *SPAN, "--batch", "6")
    first, *_, last, total = result.stderr.splitlines()
    assert re.fullmatch(r"\d entries to 2024-10-27T\d\d:\d\d:\d\dZ", first)
    assert re.fullmatch(r"15 entries to 2024-10-29T\d\d:\d\d:\d\dZ", last)
    assert total == "exported 15 entries to standard output"
    assert cli("export", '{app="a"}', *SPAN, "--batch", "6", "-q").stderr == ""


def test_parquet(cli: Cli, lines: FakeLoki, tmp_path: Path) -> None:
    target = tmp_path / "x.parquet"
    assert cli("export", '{app="a"}', str(target), *SPAN).exit_code == 0
    table = pq.read_table(target)
    assert str(table.schema.field("timestamp").type) == "timestamp[ns, tz=UTC]"
    assert table.column("timestamp").cast(pa.int64()).to_pylist() == [entry[0] for entry in lines.entries]
    assert table.column("line").to_pylist() == [entry[2] for entry in lines.entries]
    assert table.column("labels").to_pylist() == [[("app", "a")]] * 15
    assert table.schema.metadata[b"lodur.selector"] == b'{app="a"}'


def test_parquet_comes_in_row_groups_and_through_pipes(
    cli: Cli, lines: FakeLoki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodur.cli.export_writers.GROUP_ROWS_MAX", 4)
    result = cli("export", '{app="a"}', "--format", "parquet", *SPAN)
    file = pq.ParquetFile(pa.BufferReader(result.stdout_bytes))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [4, 4, 4, 3]


def test_a_moment_with_more_entries_than_a_page_makes_larger_pages(cli: Cli, lines: FakeLoki) -> None:
    result = cli("export", '{app="a"}', *SPAN, "--batch", "2", "--format", "raw")
    assert result.stdout == "".join(f"line {n}\n" for n in range(15))
    assert {request.param("limit") for request in lines.received} == {"2", "4"}


def test_what_the_server_gives_at_once_bounds_the_pages(cli: Cli, lines: FakeLoki) -> None:
    lines.limit_max = 4
    result = cli("export", '{app="a"}', *SPAN, "--format", "raw")
    assert result.stdout == "".join(f"line {n}\n" for n in range(15))
    lines.limit_max = 2
    refused = cli("export", '{app="a"}', *SPAN, "--format", "raw")
    assert refused.exit_code == 1
    assert "more than 2 entries have the timestamp" in refused.stderr


def test_long_spans_are_asked_for_day_by_day(cli: Cli, lines: FakeLoki) -> None:
    cli("export", '{app="a"}', *SPAN)
    spans = [(int(request.param("start")), int(request.param("end"))) for request in lines.received]
    assert max(end - start for start, end in spans) == 24 * 3600 * S
    assert (spans[0][0], spans[-1][1]) == (T0, T0 + 200_000 * S)


def test_a_server_that_is_busy_for_a_moment_is_waited_for(cli: Cli, loki: FakeLoki) -> None:
    entries = [{"stream": {"app": "a"}, "values": [[str(T0 + n), f"line {n}"]]} for n in range(2)]
    page, last = ({"status": "success", "data": {"resultType": "streams", "result": found}} for found in (entries, []))
    loki.will_answer(RANGE, page)
    loki.will_answer(RANGE, "too many outstanding requests", status=429)
    loki.will_answer(RANGE, last)
    result = cli("export", '{app="a"}', *SPAN, "--batch", "2", "--format", "raw")
    assert (result.exit_code, result.stdout) == (0, "line 0\nline 1\n")


def test_an_export_that_fails_leaves_no_file(cli: Cli, loki: FakeLoki, tmp_path: Path) -> None:
    entry = {"stream": {"app": "a"}, "values": [[str(T0 + n), "x"] for n in range(2)]}
    page = {"status": "success", "data": {"resultType": "streams", "result": [entry], "stats": {}}}
    loki.will_answer(RANGE, page)
    loki.will_answer(RANGE, "refused", status=400)
    result = cli("export", '{app="a"}', str(tmp_path / "x.jsonl"), *SPAN, "--batch", "2")
    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (('rate({app="a"}[1m])',), "a metric has no entries"),
        (('{app="a"} | json',), "without '| json'"),
        (('{app="a"} | line_format "x"',), "without '| line_format"),
        (('{app="a"',), "is not closed: add }"),
        (('{app="a"}', "x.bin"), "its name does not tell"),
        (('{app="a"}', "x.parquet.gz"), "Parquet compresses by itself"),
        (('{app="a"}', "/no/such/folder/x.log"), "cannot be written"),
    ],
)
def test_what_cannot_be_exported(cli: Cli, loki: FakeLoki, words: tuple[str, ...], said: str) -> None:
    result = cli("export", *words)
    assert result.exit_code != 0
    assert said in result.stderr
    assert loki.received == []


def test_filters_are_exported(cli: Cli, lines: FakeLoki) -> None:
    assert cli("export", '{app="a"} |= "x" |> "<_>" | trace_id="t" | level="warn" or n > 5', *SPAN).exit_code == 0
