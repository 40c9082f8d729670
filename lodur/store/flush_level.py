"""How thoroughly a flush compresses a segment: fast, as it will be merged soon, in haste, or for good at once.

Compression for good costs some times what the fast one does, so it shall be done once in a row's life. A merge of
segments that are compressed for good can take their blocks over as they are, as long as streams have long runs of rows
in them; else it compresses all again. Start at `RowCount.zstd_level`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lodur.kernels.compact import Cancel
from lodur.kernels.head import Head
from lodur.kernels.scan_plan import encode_matchers
from lodur.kernels.volume import index_stats
from lodur.store.days import day_span
from lodur.store.options import FlushOptions, SegmentCodec

FAST_ZSTD_LEVEL = 1
"""Of what is read soon and merged later: level 3 takes twice the time for 4 % fewer bytes."""

IN_HASTE_ZSTD_LEVEL = -1
"""Of rows for whose memory somebody waits, as each start does that reads a full log back: a third less time than the
fast level, and half as many bytes more until the next merge."""

FOR_GOOD_ZSTD_LEVEL_MAX = 9
"""That a flush takes: a higher level costs a multiple, and is meant for the compactor, for which nobody waits."""


@dataclass(frozen=True, slots=True)
class RowsOfDay:
    """What a flush has of a day."""

    rows: int
    streams: int
    bytes: int
    """Of lines and metadata."""


def zstd_level_of(rows: RowsOfDay | None, options: FlushOptions) -> int:
    """The level of the segment of these rows; the fast one where little is known of them. Counts with zstd alone."""
    is_for_good = (
        rows is not None
        and 0 < options.cold_zstd_level <= FOR_GOOD_ZSTD_LEVEL_MAX
        and rows.bytes >= options.for_good_bytes_min
        and rows.rows >= rows.streams * options.for_good_run_rows_min
        and options.codec is SegmentCodec.ZSTD
    )
    return options.cold_zstd_level if is_for_good else FAST_ZSTD_LEVEL


class RowCount:
    """Counts the rows of the generation that takes rows, which is about to be frozen: no row may come in between.

    What it says of a day is always the same, so that an attempt to write a segment that is made again writes the same
    bytes, for whatever reason that one is made. Nothing is known where somebody waits for the memory, or where earlier
    generations wait for their flush still: who is behind with flushes has no time for more than the fast levels.
    """

    def __init__(self, head: Head, options: FlushOptions, *, in_haste: bool = False) -> None:
        """`in_haste` says that somebody waits for the memory of these rows."""
        self._options = options
        self._in_haste = in_haste
        stats = head.stats()
        is_counted = stats.bytes >= options.for_good_bytes_min and not stats.frozen and not in_haste
        self._all = RowsOfDay(stats.rows, stats.streams, stats.bytes) if is_counted else None
        self._view = head.snapshot() if is_counted else None

    def zstd_level(self, day: int, *, is_only_day: bool) -> int:
        """That of a day's segment."""
        if self._in_haste:
            return IN_HASTE_ZSTD_LEVEL
        return zstd_level_of(self.of_day(day, is_only_day=is_only_day), self._options)

    def of_day(self, day: int, *, is_only_day: bool) -> RowsOfDay | None:
        """What the generation has of a day; None where that is not known, or too little for the day to matter.

        Cost: one pass over the times of all rows, but for an only day.
        """
        if is_only_day:
            return self._all
        if self._view is None:
            return None
        span = day_span(day)
        found = index_stats([self._view], encode_matchers(()), span.start_ns, span.end_ns, cancel=Cancel())
        return RowsOfDay(found.entries, found.streams, found.bytes)
