"""Segments of a store that an import reads: each by itself, without the manifest that names it.

Its directory knows what its columns stand for, labels or metadata (docs/formats/segment.md). What was deleted since
it was written, and what was stored twice, is there still. Start at `SegmentColumns`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lodur.cli.extras import arrow
from lodur.cli.import_mapping import METADATA_FIELD, FieldMapping, text_of, texts_of
from lodur.cli.import_rows import Row
from lodur.logql.parser import parse_selector
from lodur.model.errors import CorruptData
from lodur.model.label_set import LabelSet
from lodur.store.inspection import segment_directory

TIME, LINE, STREAM, LEVEL = "timestamp", "line", "stream", "detected_level"

NEVER_NULL = (TIME, LINE, STREAM)


class SegmentColumns:
    """The columns of a segment. Raises CorruptData, and ValueError and LookupError for rows that no segment has."""

    def __init__(self, name: str, columns: Sequence[str], mapping: FieldMapping) -> None:
        directory = segment_directory(Path(name))
        self.rows_expected: int | None = directory.rows
        metadata = directory.metadata
        if len(columns) <= len(metadata):
            raise CorruptData("it has fewer columns than its directory says", path=name)
        sets = (
            {matcher.name: matcher.value for matcher in parse_selector(text).matchers} for text in directory.label_sets
        )
        self._label_sets: list[LabelSet] = [mapping.label_set(labels) for labels in sets]
        # Columns of metadata stand before the map of the rarer names, which is the last.
        self._metadata = [(LEVEL, LEVEL), *zip(metadata, columns[-1 - len(metadata) : -1], strict=True)]

    def wanted(self) -> list[str]:
        return [TIME, LINE, STREAM, METADATA_FIELD, *(column for _, column in self._metadata)]

    def rows(self, batch: Any, first_place: int) -> Iterator[Row]:
        """The rows of a batch, in the order of the segment."""
        pa = arrow("a Parquet file")
        kinds = [(TIME, pa.types.is_timestamp), (LINE, pa.types.is_string), (STREAM, pa.types.is_integer)]
        kinds += [(column, pa.types.is_string) for _, column in self._metadata]
        for column, is_right in kinds:
            found = batch.column(column)
            if not is_right(found.type) or (column in NEVER_NULL and found.null_count):
                raise ValueError(f"the column '{column}' is not that of a segment")
        times = batch.column(TIME).cast(pa.int64()).to_pylist()
        lines, streams = batch.column(LINE).to_pylist(), batch.column(STREAM).to_pylist()
        if streams and not 0 <= min(streams) <= max(streams) < len(self._label_sets):
            raise ValueError("a row is of a stream that its directory does not have")
        rare = batch.column(METADATA_FIELD).to_pylist()
        frequent = [(name, batch.column(column).to_pylist()) for name, column in self._metadata]
        for at, (time_ns, line, stream) in enumerate(zip(times, lines, streams, strict=True)):
            metadata = {name: text for name, values in frequent if (text := text_of(values[at])) is not None}
            metadata.update(texts_of(rare[at]))
            yield Row(first_place + at, time_ns, self._label_sets[stream], line, metadata)
