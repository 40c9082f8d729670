"""Files of lines that an import reads: JSON records of several shapes, and plain text. Start at `read_json` and
`read_text`.

A record of no known shape is an entry whose line is the record itself, with a time that the options must name.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import msgspec

from lodur.cli.export_writers import ExportedEntry
from lodur.cli.extras import arrow
from lodur.cli.import_mapping import (
    LABELS_FIELD,
    METADATA_FIELD,
    FieldMapping,
    TimestampFormat,
    label_name,
    member,
    text_of,
    texts_of,
    timestamp_ns,
)
from lodur.cli.import_rows import BadRow, Row
from lodur.cli.push_source import GZIP_MAGIC, LINE_BYTES_MAX
from lodur.model.errors import InvalidRequest
from lodur.model.label_set import LabelSet

TIMES = ("timestamp", "@timestamp", "time", "ts")
"""Members that are taken for the time where the options name none."""


LABEL_SETS_MAX = 100_000
"""More streams than this no server takes from one tenant."""


class LineReader(Protocol):
    """Gives lines of bytes, with their newline."""

    def readline(self, limit: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class LineFile:
    """A file of lines; `raw` is the file itself, whose position is the progress."""

    name: str
    reader: LineReader
    raw: BinaryIO | None

    def read_bytes(self) -> int:
        return self.raw.tell() if self.raw is not None else 0

    def close(self) -> None:
        """Close the file; standard input is not ours to close."""
        if self.raw is not None:
            self.raw.close()


def open_lines(name: str) -> LineFile:
    """Open a file, or standard input for `-`; what is compressed is decompressed as it is read."""
    if name == "-":
        return LineFile("standard input", sys.stdin.buffer, None)
    raw = Path(name).open("rb")  # noqa: SIM115  closed by who asked for it
    compressed = raw.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
    match ".gz" if compressed else Path(name).suffix.lower():
        case ".gz":
            reader: object = BufferedReader(cast("BufferedReader", gzip.GzipFile(fileobj=raw)), 2**20)
        case ".bz2":
            reader = bz2.BZ2File(raw)
        case ".xz":
            reader = lzma.LZMAFile(raw)  # noqa: SIM115
        case ".zst":
            stream = arrow(".zst").CompressedInputStream(arrow(".zst").PythonFile(raw), "zstd")
            reader = BufferedReader(stream, 2**20)
        case _:
            reader = raw
    return LineFile(name, cast("LineReader", reader), raw)


def read_text(file: LineFile, mapping: FieldMapping, *, start_ns: int) -> Iterator[Row | BadRow]:
    """Every line an entry; each has a nanosecond more than the one before."""
    labels = mapping.label_set({})
    for place, line in _lines(file):
        text = line.removesuffix(b"\n").decode("utf-8", "replace")
        yield Row(place, start_ns + place - 1, labels, text, {})


def read_json(file: LineFile, mapping: FieldMapping) -> Iterator[Row | BadRow]:
    """Every line a record: of `lodur export`, of logcli, of Docker, or of whatever shape the options tell."""
    decode = msgspec.json.Decoder().decode
    decode_exported = msgspec.json.Decoder(ExportedEntry).decode
    partial = _PartialLines()
    label_sets = LabelSets(mapping)
    is_export = mapping.says_nothing and mapping.timestamp_format is TimestampFormat.AUTO
    for place, line in _lines(file):
        if not line.strip():
            continue
        if is_export:
            try:
                yield _exported_row(place, decode_exported(line), label_sets)
                continue
            except (ValueError, msgspec.DecodeError):
                # Of another shape, or bad: what follows takes longer, and can tell.
                is_export = False
        try:
            record = decode(line)
            if not isinstance(record, dict):
                raise ValueError("a record is a JSON object")
            if mapping.says_nothing and "log" in record and "time" in record:
                row = partial.joined(_docker_row(place, record, mapping))
                if row is None:
                    continue
            else:
                row = _row(place, record, line, mapping)
        except (ValueError, msgspec.DecodeError) as error:
            yield BadRow(place, str(error))
            continue
        yield row
    yield from partial.left()


def _row(place: int, record: Mapping[str, object], line: bytes, mapping: FieldMapping) -> Row:
    names = (mapping.timestamp,) if mapping.timestamp else TIMES
    at = next((value for name in names if (value := member(record, name)) is not None), None)
    if at is None:
        wanted = f"no member '{mapping.timestamp}'" if mapping.timestamp else "no time: --timestamp-field names it"
        raise ValueError(wanted)
    own: dict[str, str] = {}
    metadata: dict[str, str] = {}
    if mapping.line is None and isinstance(record.get("line"), str):
        text = str(record["line"])
        own = texts_of(record.get(LABELS_FIELD))
        metadata = texts_of(record.get(METADATA_FIELD))
    elif mapping.line is None:
        text = line.strip().decode("utf-8", "replace")
    else:
        found = text_of(member(record, mapping.line))
        if found is None:
            raise ValueError(f"no member '{mapping.line}'")
        text = found
    own |= _chosen(record, mapping.labels)
    metadata |= _chosen(record, mapping.metadata)
    ts_ns = timestamp_ns(at, mapping.timestamp_format)
    return Row(place, ts_ns, mapping.named_label_set(own), text, metadata)


def _exported_row(place: int, entry: ExportedEntry, label_sets: LabelSets) -> Row:
    ts_ns = timestamp_ns(entry.timestamp, TimestampFormat.AUTO)
    return Row(place, ts_ns, label_sets.of(entry.labels), entry.line, entry.structured_metadata)


class LabelSets:
    """The label sets of a file, each made once."""

    def __init__(self, mapping: FieldMapping) -> None:
        self._mapping = mapping
        self._made: dict[tuple[tuple[str, str], ...], LabelSet] = {}

    def of(self, own: Mapping[str, str]) -> LabelSet:
        known = tuple(own.items())
        found = self._made.get(known)
        if found is None:
            if len(self._made) >= LABEL_SETS_MAX:
                self._made.clear()
            found = self._made[known] = self._mapping.named_label_set(own)
        return found


def _chosen(record: Mapping[str, object], fields: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return {name: text for name, path in fields if (text := text_of(member(record, path)))}


def _docker_row(place: int, record: Mapping[str, object], mapping: FieldMapping) -> Row:
    """A record of Docker's json-file driver; `attrs` are what the container was told to log."""
    text = record["log"]
    if not isinstance(text, str):
        raise ValueError("the member 'log' is not text")
    own = {"stream": text_of(record.get("stream")) or ""}
    metadata = {label_name(name): value for name, value in texts_of(record.get("attrs")).items()}
    ts_ns = timestamp_ns(record["time"], mapping.timestamp_format)
    return Row(place, ts_ns, mapping.label_set(own), text, metadata)


class _PartialLines:
    """Docker cuts long lines into records without a newline at their end; they are put together again."""

    def __init__(self) -> None:
        self._open: dict[str, Row] = {}

    def joined(self, row: Row) -> Row | None:
        """The whole line that ends with this record; None where it goes on."""
        stream = row.labels.get("stream")
        begun = self._open.pop(stream, None)
        text = row.line if begun is None else begun.line + row.line
        first = row if begun is None else begun
        whole = Row(row.place, first.ts_ns, first.labels, text.removesuffix("\n"), first.metadata)
        if row.line.endswith("\n") or len(text) > LINE_BYTES_MAX:
            return whole
        self._open[stream] = Row(row.place, first.ts_ns, first.labels, text, first.metadata)
        return None

    def left(self) -> Iterator[Row]:
        """Lines that were never ended."""
        yield from sorted(self._open.values(), key=lambda row: row.place)


def _lines(file: LineFile) -> Iterator[tuple[int, bytes]]:
    place = 0
    while True:
        try:
            line = file.reader.readline(LINE_BYTES_MAX + 1)
        except (OSError, EOFError, lzma.LZMAError) as error:
            raise InvalidRequest(f"{file.name} cannot be read: {error}") from error
        if not line:
            return
        place += 1
        if len(line) > LINE_BYTES_MAX:
            raise InvalidRequest(f"{file.name}:{place}: longer than {LINE_BYTES_MAX} bytes; is this a file of lines?")
        yield place, line
