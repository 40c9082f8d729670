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
from lodur.model.label_set import LabelSet
from lodur.store.inspection import segment_names

TIME, LINE, STREAM, LEVEL = "timestamp", "line", "stream", "detected_level"


class SegmentColumns:
    """The columns of a segment. Raises CorruptData."""

    def __init__(self, name: str, columns: Sequence[str], mapping: FieldMapping) -> None:
        texts, metadata = segment_names(Path(name))
        sets = ({matcher.name: matcher.value for matcher in parse_selector(text).matchers} for text in texts)
        self._label_sets: list[LabelSet] = [mapping.label_set(labels) for labels in sets]
        # Columns of metadata stand before the map of the rarer names, which is the last.
        self._metadata = [(LEVEL, LEVEL), *zip(metadata, columns[-1 - len(metadata) : -1], strict=True)]

    def wanted(self) -> list[str]:
        return [TIME, LINE, STREAM, METADATA_FIELD, *(column for _, column in self._metadata)]

    def rows(self, batch: Any, first_place: int) -> Iterator[Row]:
        """The rows of a batch, in the order of the segment."""
        pa = arrow("a Parquet file")
        times = batch.column(TIME).cast(pa.int64()).to_pylist()
        lines, streams = batch.column(LINE).to_pylist(), batch.column(STREAM).to_pylist()
        rare = batch.column(METADATA_FIELD).to_pylist()
        frequent = [(name, batch.column(column).to_pylist()) for name, column in self._metadata]
        for at, (time_ns, line, stream) in enumerate(zip(times, lines, streams, strict=True)):
            metadata = {name: text for name, values in frequent if (text := text_of(values[at])) is not None}
            metadata.update(texts_of(rare[at]))
            yield Row(first_place + at, time_ns, self._label_sets[stream], line, metadata)
