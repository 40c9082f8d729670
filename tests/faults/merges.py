"""What the merges of a history did, seen where they are made; they go on as they are. Start at `watched_merges`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import combinations, pairwise
from pathlib import Path
from unittest.mock import patch

from lodur.kernels.compact import Cancel, KeepRules, SegmentsMerged, merge_segments
from lodur.kernels.segment import Segment
from lodur.store.compaction import merging


class Way(StrEnum):
    """What may happen to segments that are merged, or whose blocks were copied before; one merge may be several."""

    ROW_BY_ROW = "merges row by row"
    COPIED = "merges that copied blocks"
    COPIED_ROWS = "rows copied"
    IN_PARTS = "copies in several parts"
    COPIED_AGAIN = "copies of copies"
    WITH_OTHERS = "copies merged with segments of another level"
    WITH_LATE = "copies merged with late rows"
    WITH_REPEATED = "copies merged with rows they have"
    REWRITTEN = "copies written anew without expired or deleted rows"


Ways = Counter[Way]


class MergeWatch:
    """Counts what merges do."""

    def __init__(self) -> None:
        self.ways: Ways = Counter()
        self._copies: set[str] = set()
        """Names of segments that were copied, or written of such."""

    def merge_segments(
        self,
        inputs: list[Segment],
        path: Path,
        *,
        start_ns: int,
        end_ns: int,
        keep: KeepRules,
        codec: str,
        zstd_level: int,
        cancel: Cancel,
    ) -> SegmentsMerged:
        """As `kernels.compact.merge_segments`."""
        merged = merge_segments(
            inputs,
            path,
            start_ns=start_ns,
            end_ns=end_ns,
            keep=keep,
            codec=codec,
            zstd_level=zstd_level,
            cancel=cancel,
        )
        self.ways.update(self._ways(inputs, merged))
        self.ways[Way.COPIED_ROWS] += merged.rows_copied
        if merged.rows_copied:
            self._copies.add(_name(str(path)))
        return merged

    def _ways(self, inputs: list[Segment], merged: SegmentsMerged) -> Iterator[Way]:
        copies = [segment for segment in inputs if _name(segment.path) in self._copies]
        if merged.rows_copied:
            yield Way.COPIED
            if any(one.streams()[-1] > other.streams()[0] for one, other in pairwise(inputs)):
                yield Way.IN_PARTS
            if copies:
                yield Way.COPIED_AGAIN
            return
        yield Way.ROW_BY_ROW
        if not copies:
            return
        if any(segment.codec != copies[0].codec for segment in inputs):
            yield Way.WITH_OTHERS
        if any(one in copies and other.min_ts_ns <= one.max_ts_ns for one, other in combinations(inputs, 2)):
            yield Way.WITH_LATE
        if merged.rows_repeated:
            yield Way.WITH_REPEATED
        if len(inputs) == 1 and (merged.rows_expired or any(map(any, merged.rows_deleted))):
            yield Way.REWRITTEN


def _name(path: str) -> str:
    """A segment's, from where it lies or where it was brought to be read or written."""
    return path.replace("%", "/").rpartition("/")[2].partition(".")[0]


@contextmanager
def watched_merges() -> Iterator[MergeWatch]:
    """What merges do meanwhile."""
    watch = MergeWatch()
    with patch.object(merging, "merge_segments", watch.merge_segments):
        yield watch
