"""The forms of an export: raw lines, JSON lines, Parquet. Start at `opened_writer`.

JSON lines and Parquet hold all that there is to an entry, raw lines are the lines alone. Described in
docs/how-to/export-and-import.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from enum import Enum
from pathlib import Path
from typing import assert_never

import msgspec

from lodur.cli.export_files import ByteSink, Counted, compression_of
from lodur.cli.extras import arrow
from lodur.cli.paging import Entry
from lodur.cli.times import format_time
from lodur.model.errors import InvalidRequest
from lodur.model.label_set import LabelSet

GROUP_ROWS_MAX = 64 * 1024
GROUP_BYTES_MAX = 32 * 2**20
"""Of the lines of a row group: what is held in memory before it is written."""

Write = Callable[[Sequence[Entry]], None]


class ExportFormat(Enum):
    """The form of an export; the value is the word of `--format`."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    RAW = "raw"


_SUFFIXES = {
    ".parquet": ExportFormat.PARQUET,
    ".jsonl": ExportFormat.JSONL,
    ".ndjson": ExportFormat.JSONL,
    ".log": ExportFormat.RAW,
    ".txt": ExportFormat.RAW,
}


def format_of(name: str) -> ExportFormat | None:
    """The form that the name of a file tells, and for standard output JSON lines; None where it tells none."""
    if name == "-":
        return ExportFormat.JSONL
    path = Path(name)
    return _SUFFIXES.get((path.with_suffix("") if compression_of(name) else path).suffix.lower())


class ExportedEntry(msgspec.Struct, omit_defaults=True):
    """An entry as a line of JSON: logcli's shape, and structured metadata where there is some."""

    timestamp: str
    labels: dict[str, str]
    line: str
    structured_metadata: dict[str, str] = {}


@contextmanager
def opened_writer(form: ExportFormat, sink: ByteSink, facts: dict[str, str]) -> Iterator[Write]:
    """Write entries to a sink; `facts` are kept beside them where the form has a place for them."""
    match form:
        case ExportFormat.RAW:
            yield lambda entries: _write(sink, "".join(_raw_line(entry.line) for entry in entries).encode())
        case ExportFormat.JSONL:
            encode = msgspec.json.Encoder().encode_lines
            yield lambda entries: _write(sink, encode([_exported(entry) for entry in entries]))
        case ExportFormat.PARQUET:
            table = _ParquetTable(sink, facts)
            yield table.write
            table.close()
        case _:
            assert_never(form)


def _write(sink: ByteSink, data: bytes) -> None:
    sink.write(data)


def _raw_line(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n"


def _exported(entry: Entry) -> ExportedEntry:
    timestamp = format_time(entry.ts_ns, UTC, nanos=True)
    return ExportedEntry(timestamp, dict(entry.labels), entry.line, dict(entry.metadata))


class _ParquetTable:
    """Row groups of one file; rows that make none yet are in memory."""

    def __init__(self, sink: ByteSink, facts: dict[str, str]) -> None:
        pa = arrow("a Parquet file")
        texts = pa.map_(pa.string(), pa.string())
        self._arrow = pa
        self._schema = pa.schema(
            [
                pa.field("timestamp", pa.timestamp("ns", tz="UTC"), nullable=False),
                pa.field("line", pa.string(), nullable=False),
                pa.field("labels", texts, nullable=False),
                pa.field("structured_metadata", texts, nullable=False),
            ],
            metadata=facts,
        )
        parquet = arrow("a Parquet file", "pyarrow.parquet")
        self._file = parquet.ParquetWriter(Counted(sink), self._schema, compression="zstd", version="2.6")
        self._rows: list[Entry] = []
        self._bytes = 0

    def write(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._rows.append(entry)
            self._bytes += len(entry.line)
            if len(self._rows) >= GROUP_ROWS_MAX or self._bytes >= GROUP_BYTES_MAX:
                self._flush()

    def close(self) -> None:
        """Write what is left, and the footer."""
        if self._rows:
            self._flush()
        self._file.close()

    def _flush(self) -> None:
        pa, rows = self._arrow, self._rows
        types = [field.type for field in self._schema]
        columns = [
            [row.ts_ns for row in rows],
            [row.line for row in rows],
            [_pairs(row.labels) for row in rows],
            [_pairs(row.metadata) for row in rows],
        ]
        try:
            arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
            self._file.write_table(pa.table(arrays, schema=self._schema), row_group_size=len(rows))
        except UnicodeEncodeError as error:
            raise InvalidRequest(f"a line cannot be written as UTF-8: {error}") from error
        self._rows = []
        self._bytes = 0


def _pairs(labels: LabelSet) -> tuple[tuple[str, str], ...]:
    return labels.pairs
