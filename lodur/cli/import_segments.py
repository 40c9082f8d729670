"""Segments of a store that an import reads: each by itself, without the manifest that names it.

Its directory knows what its columns stand for, labels or metadata (docs/formats/segment.md). What was deleted since
it was written, and what was stored twice, is there still. Start at `SegmentRows`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lodur.cli.extras import arrow
from lodur.cli.import_mapping import METADATA_FIELD, FieldMapping, text_of, texts_of
from lodur.cli.import_rows import BadRow, Row
from lodur.logql.parser import parse_selector
from lodur.model.errors import InvalidRequest
from lodur.model.label_set import LabelSet
from lodur.store.inspection import segment_names

ROWS_AT_ONCE = 8192

TIME, LINE, STREAM, LEVEL = "timestamp", "line", "stream", "detected_level"


class SegmentRows:
    """The rows of a segment; `read_bytes` is how far it is read, by rows. Raises InvalidRequest where it is damaged."""

    def __init__(self, name: str, mapping: FieldMapping) -> None:
        self.name = name
        texts, metadata = segment_names(Path(name))
        sets = ({matcher.name: matcher.value for matcher in parse_selector(text).matchers} for text in texts)
        self._label_sets: list[LabelSet] = [mapping.label_set(labels) for labels in sets]
        self._size = Path(name).stat().st_size
        self._place = 0
        self._file = arrow("a Parquet file", "pyarrow.parquet").ParquetFile(name)
        columns = list(self._file.schema_arrow.names)
        # Columns of metadata stand before the map of the rarer names, which is the last.
        self._metadata = [(LEVEL, LEVEL), *zip(metadata, columns[-1 - len(metadata) : -1], strict=True)]

    def read_bytes(self) -> int:
        return self._size * self._place // max(1, int(self._file.metadata.num_rows))

    def close(self) -> None:
        self._file.close()

    def rows(self) -> Iterator[Row | BadRow]:
        """All rows, in the order of the segment."""
        wanted = [TIME, LINE, STREAM, METADATA_FIELD, *(column for _, column in self._metadata)]
        batches = self._file.iter_batches(batch_size=ROWS_AT_ONCE, columns=wanted)
        while True:
            try:
                batch = next(batches, None)
            except (OSError, ValueError) as error:
                raise InvalidRequest(f"{self.name} cannot be read: {error}") from error
            if batch is None:
                return
            yield from self._batch(batch)

    def _batch(self, batch: Any) -> Iterator[Row]:
        pa = arrow("a Parquet file")
        times = batch.column(TIME).cast(pa.int64()).to_pylist()
        lines, streams = batch.column(LINE).to_pylist(), batch.column(STREAM).to_pylist()
        rare = batch.column(METADATA_FIELD).to_pylist()
        frequent = [(name, batch.column(column).to_pylist()) for name, column in self._metadata]
        for at, (time_ns, line, stream) in enumerate(zip(times, lines, streams, strict=True)):
            self._place += 1
            metadata = {name: text for name, values in frequent if (text := text_of(values[at])) is not None}
            metadata.update(texts_of(rare[at]))
            yield Row(self._place, time_ns, self._label_sets[stream], line, metadata)
