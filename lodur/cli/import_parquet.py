"""Parquet files that an import reads: those of `lodur export`, segments, and others by the columns that options name.

Start at `open_parquet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from lodur.cli.extras import arrow
from lodur.cli.import_lines import TIMES, LabelSets
from lodur.cli.import_mapping import (
    LABELS_FIELD,
    METADATA_FIELD,
    FieldMapping,
    TimestampFormat,
    text_of,
    texts_of,
    timestamp_ns,
)
from lodur.cli.import_rows import BadRow, Row
from lodur.cli.import_segments import SegmentColumns
from lodur.model.errors import InvalidRequest

ROWS_AT_ONCE = 8192

LINES = ("line", "message", "msg", "body", "log")
"""Columns that are taken for the line where the options name none."""

SEGMENT_MARK, SEGMENT_WRITER = b"lodur.directory", "lodur "
"""What the footer of a store's segment has and no other file: a key, and the beginning of who wrote it. One is enough,
for the footer has no checksum."""


def open_parquet(name: str, mapping: FieldMapping) -> ParquetRows:
    """The file's rows: a segment's by its own directory, unless the options say which columns are what.

    Raises InvalidRequest, and CorruptData for a segment.
    """
    parquet = arrow("a Parquet file", "pyarrow.parquet")
    try:
        # Segments have checksums, and so have files of some others: what comes out damaged is not sent.
        file = parquet.ParquetFile(name, page_checksum_verification=True)
        names = list(file.schema_arrow.names)
        footer = file.metadata
        is_marked = SEGMENT_MARK in (footer.metadata or {}) or str(footer.created_by).startswith(SEGMENT_WRITER)
    except _damage() as error:
        raise InvalidRequest(f"{name} is not a Parquet file: {error}") from error
    if mapping.says_nothing and is_marked:
        return ParquetRows(name, file, SegmentColumns(name, names, mapping))
    return ParquetRows(name, file, NamedColumns(name, names, mapping))


def _damage() -> tuple[type[Exception], ...]:
    """What Arrow raises for bytes that are not what they should be, and what values of them raise when they are taken:
    texts that are not UTF-8, columns that are not there or twice, dates that no calendar has."""
    return (arrow("a Parquet file").ArrowException, OSError, ValueError, LookupError, OverflowError)


class Columns(Protocol):
    """What the columns of a file stand for."""

    rows_expected: int | None
    """How many rows the file has; None where nobody but its footer says so."""

    def wanted(self) -> list[str]:
        """Those that rows are made of."""

    def rows(self, batch: Any, first_place: int) -> Iterator[Row | BadRow]:
        """The rows of a batch of these columns, whose first has this place."""


class ParquetRows:
    """The rows of a file; `read_bytes` is how far it is read, by rows."""

    def __init__(self, name: str, file: Any, columns: Columns) -> None:
        self.name = name
        self._columns = columns
        self._size = Path(name).stat().st_size
        self._place = 0
        self._file = file

    def read_bytes(self) -> int:
        return self._size * self._place // max(1, int(self._file.metadata.num_rows))

    def close(self) -> None:
        self._file.close()

    def rows(self) -> Iterator[Row | BadRow]:
        """All rows, in the order of the file. Raises InvalidRequest for a file that is damaged."""
        batches = self._file.iter_batches(batch_size=ROWS_AT_ONCE, columns=self._columns.wanted())
        while (rows := self._next_rows(batches)) is not None:
            for row in rows:
                self._place = row.place
                yield row
        if self._columns.rows_expected not in (None, self._place):
            raise InvalidRequest(
                f"{self.name} is damaged: {self._place} of {self._columns.rows_expected} rows are read"
            )

    def _next_rows(self, batches: Iterator[Any]) -> list[Row | BadRow] | None:
        """The rows of the next batch; None after the last."""
        try:
            batch = next(batches, None)
            if batch is None:
                return None
            # Arrow looks at no offset, key or text before it is taken, when it is too late.
            batch.validate(full=True)
            return list(self._columns.rows(batch, self._place + 1))
        except _damage() as error:
            raise InvalidRequest(f"{self.name} cannot be read: {error}") from error


class NamedColumns:
    """The columns of a file as options name them, or as they are usually called. Raises InvalidRequest."""

    def __init__(self, name: str, names: Sequence[str], mapping: FieldMapping) -> None:
        self._mapping = mapping
        self._label_sets = LabelSets(mapping)
        columns = set(names)
        self._time = _column(name, columns, mapping.timestamp, TIMES, "--timestamp-field")
        self._line = _column(name, columns, mapping.line, LINES, "--line-field")
        self.rows_expected: int | None = None
        self._maps = [column for column in (LABELS_FIELD, METADATA_FIELD) if column in columns]
        for _, column in (*mapping.labels, *mapping.metadata):
            if column not in columns:
                raise InvalidRequest(f"{name} has no column '{column}'; it has {', '.join(sorted(columns))}")

    def wanted(self) -> list[str]:
        named = (column for _, column in (*self._mapping.labels, *self._mapping.metadata))
        return sorted({self._time, self._line, *self._maps, *named})

    def rows(self, batch: Any, first_place: int) -> Iterator[Row | BadRow]:
        """The rows of a batch; what cannot be read is a BadRow."""
        times, form = _times(batch.column(self._time), self._mapping.timestamp_format)
        lines = batch.column(self._line).to_pylist()
        maps = {column: batch.column(column).to_pylist() for column in self._maps}
        labels = [(name, batch.column(column).to_pylist()) for name, column in self._mapping.labels]
        metadata = [(name, batch.column(column).to_pylist()) for name, column in self._mapping.metadata]
        for number, (at, line) in enumerate(zip(times, lines, strict=True)):
            place = first_place + number
            try:
                own = {**texts_of(_at(maps, LABELS_FIELD, number)), **_named(labels, number)}
                text = text_of(line.decode("utf-8", "replace") if isinstance(line, bytes) else line)
                if text is None:
                    raise ValueError(f"the column '{self._line}' is null")
                yield Row(
                    place,
                    timestamp_ns(at, form),
                    self._label_sets.of(own),
                    text,
                    {**texts_of(_at(maps, METADATA_FIELD, number)), **_named(metadata, number)},
                )
            except ValueError as error:
                yield BadRow(place, str(error))


def _times(column: Any, form: TimestampFormat) -> tuple[list[object], TimestampFormat]:
    """Times and how they are written: what Parquet knows as times comes in nanoseconds, whatever the options say."""
    pa = arrow("a Parquet file")
    if not pa.types.is_timestamp(column.type):
        return column.to_pylist(), form
    try:
        numbers = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64())
    except ValueError as error:
        raise InvalidRequest(f"a time lies outside of what nanoseconds can tell: {error}") from error
    return numbers.to_pylist(), TimestampFormat.UNIX_NS


def _at(maps: dict[str, list[object]], column: str, number: int) -> object:
    return maps[column][number] if column in maps else None


def _named(columns: Sequence[tuple[str, list[object]]], number: int) -> dict[str, str]:
    return {name: text for name, values in columns if (text := text_of(values[number]))}


def _column(file: str, columns: set[str], asked: str | None, known: Sequence[str], option: str) -> str:
    if asked is not None and asked not in columns:
        raise InvalidRequest(f"{file} has no column '{asked}'; it has {', '.join(sorted(columns))}")
    found = asked or next((name for name in known if name in columns), None)
    if found is None:
        raise InvalidRequest(f"{file} has none of the columns {', '.join(known)}: name one with {option}")
    return found
