"""Rows that another process has accepted and not flushed yet, as its object WAL has them.

The writer flushes its log up to some record, and which one is seen only when the manifest says so; so records are kept
beside their rows, and what a manifest does not cover is put together anew. Start at `ForeignRows`; not for several
threads at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lodur.kernels.head import Head, HeadView
from lodur.kernels.push_decode import DecodedPush
from lodur.store.days import day_span

Covered = Callable[[int], int]
"""Of a day, the number up to which the writer's records are in its segments."""


@dataclass(frozen=True, slots=True)
class ForeignRecord:
    """A record of another writer's log."""

    seq: int
    days: tuple[int, ...]
    """That it has rows of."""
    accepted_at_ns: int
    decode: Callable[[], DecodedPush]
    """Gives its rows again."""


class ForeignRows:
    """One tenant's rows of one writer."""

    def __init__(self) -> None:
        self._records: list[ForeignRecord] = []
        self._head = Head()

    def add(self, record: ForeignRecord, push: DecodedPush, covered: Covered) -> int:
        """Take the rows of a record, the next of its log, but for the days that have them in segments; how many."""
        added, _ = self._head.insert(push, skip=_skipped(record, covered))
        if added:
            self._records.append(record)
        return added

    def rebuild(self, covered: Covered) -> None:
        """Let go of the rows that are in segments by now."""
        self._records = [one for one in self._records if any(covered(day) < one.seq for day in one.days)]
        self._head = Head()
        for record in self._records:
            self._head.insert(record.decode(), skip=_skipped(record, covered))

    @property
    def is_empty(self) -> bool:
        """Segments have all rows."""
        return not self._records

    def accepted_from_ns(self) -> int:
        """When the first of its rows was accepted, or before."""
        return min((record.accepted_at_ns for record in self._records), default=0)

    def days(self) -> set[int]:
        """The days of its records."""
        return {day for record in self._records for day in record.days}

    def bytes(self) -> int:
        """Of lines and metadata."""
        return self._head.stats().bytes

    def view(self) -> HeadView | None:
        """The rows; None without any."""
        view = self._head.snapshot()
        return view if view.rows else None


def _skipped(record: ForeignRecord, covered: Covered) -> list[tuple[int, int]]:
    spans = [day_span(day) for day in record.days if covered(day) >= record.seq]
    return [(span.start_ns, span.end_ns) for span in spans]
