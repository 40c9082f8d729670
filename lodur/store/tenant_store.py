"""One tenant's rows: the head, the live segments, and the one lock under which rows move from the one to the others.

A query that takes a snapshot sees each row in exactly one place. Start at `TenantStore`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from lodur.kernels.head import FrozenHead, Head, HeadView
from lodur.kernels.push_decode import DecodedPush
from lodur.model.tenant import TenantId
from lodur.store.append_gate import AppendGate
from lodur.store.days import day_span
from lodur.store.flush_level import RowCount
from lodur.store.foreign_rows import ForeignRecord, ForeignRows
from lodur.store.journal import REENCODED, Journal
from lodur.store.manifest import SegmentMeta, segments_between
from lodur.store.manifest_store import Committed
from lodur.store.options import FlushOptions
from lodur.store.wal_marks import WalMarks


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a push's accepted rows."""

    new_rows: int
    repeated_rows: int
    """Rows that were in the store already, as after a client's retry."""


@dataclass(frozen=True, slots=True)
class Generation:
    """Rows on their way to segments; all records of the tenant up to `up_to_seq` are in it or were before it."""

    frozen: FrozenHead
    up_to_seq: int
    head_bytes: int
    accepted_from_ns: int
    """When the first of its rows was accepted, or before."""
    count: RowCount


@dataclass(frozen=True, slots=True)
class HeadSize:
    """What a tenant holds in memory, and since when. Times are monotonic seconds."""

    bytes: int
    """In the generation that takes rows."""
    frozen_bytes: int
    streams: int
    rows: int
    first_row_s: float
    """Of the oldest row; meaningless without rows."""
    last_row_s: float


class HeadBytes:
    """Bytes of lines and metadata in the heads of all tenants."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.total = 0

    def add(self, size_bytes: int) -> None:
        with self._lock:
            self.total += size_bytes


class TenantStore:
    """All methods may be called from any thread; `append` blocks until the WAL has synced."""

    def __init__(
        self, tenant: TenantId, journal: Journal, marks: WalMarks, head_bytes: HeadBytes, segments: FlushOptions
    ) -> None:
        self.tenant = tenant
        self._journal = journal
        self._marks = marks
        self._all_head_bytes = head_bytes
        self._segments = segments
        self._head_bytes = 0
        self._generations: list[Generation] = []
        self._gate = AppendGate()
        self._head = Head()
        self._lock = threading.Lock()
        self._days: dict[int, Committed] = {}
        self._ahead: dict[int, Committed] = {}
        """Manifests that have rows which the head still shows."""
        self._frozen_up_to = 0
        """Own records up to this number are in generations, or were before."""
        self._foreign: dict[str, ForeignRows] = {}
        """By writer."""
        self._first_row_s = 0.0
        self._last_row_s = 0.0
        self._has_rows = False
        self._accepted_from_ns: int | None = None
        """Of the rows of the generation that takes rows; None where it has none."""
        self._inserting = 0
        self._deletes_through = 0
        """Up to which delete request what it took is not remembered here any more."""

    def forget_deleted(self, deletes_through: int) -> int:
        """Requests up to a number may have deleted what came before, and are for nothing that comes now: what comes
        again repeats nothing then.

        Gives the number up to which that is so: as long as rows are in memory, later ones share their fate.
        """
        if deletes_through > self._deletes_through and self._is_empty():
            with self._gate.freeze():
                if self._is_empty():
                    with self._lock:
                        self._head = Head()
                    self._deletes_through = deletes_through
        return self._deletes_through

    def append(self, push: DecodedPush, *, kind: int, payload: bytes, accepted_at_ns: int, now_s: float) -> Appended:
        """Keep the accepted rows of a push: durable, then in the head. Raises as `Wal.append`."""
        flushed_rows = 0
        with self._gate.append():
            fresh = self._head.without_flushed(push)
            if fresh is not None:
                # Rows that are in segments must not come back when the WAL is replayed.
                flushed_rows = push.accepted_lines - fresh.accepted_lines
                if not fresh.accepted_lines:
                    return Appended(0, flushed_rows)
                push, kind, payload = fresh, REENCODED, fresh.to_body()
            with self._marks.appending(self.tenant):
                seq = self._journal.append(self.tenant.value, kind, accepted_at_ns, payload)
                self._marks.appended(self.tenant, seq)
                with self._accepting(accepted_at_ns):
                    new_rows, repeated_rows = self._head.insert(push)
                self._touched(now_s)
        self._measure()
        return Appended(new_rows, repeated_rows + flushed_rows)

    def replay(self, push: DecodedPush, *, seq: int, accepted_at_ns: int, now_s: float) -> Appended:
        """Put the rows of a record back into the head, but for the days that have them in segments."""
        skip = [day_span(day) for day, committed in self._days.items() if self._covers(committed, seq)]
        with self._gate.append():
            with self._accepting(accepted_at_ns):
                new_rows, repeated_rows = self._head.insert(push, skip=[(span.start_ns, span.end_ns) for span in skip])
            if new_rows or self._marks.has(self.tenant):
                # What repeats rows in memory is flushed with them; else it would come back at every start.
                self._marks.appended(self.tenant, seq)
            if new_rows:
                self._touched(now_s)
        if new_rows:
            self._measure()
        return Appended(new_rows, repeated_rows)

    def new_streams(self, push: DecodedPush) -> list[int]:
        """Places in `push.streams` of those that are not active yet, ascending."""
        return self._head.new_streams(push)

    def head_size(self) -> HeadSize:
        stats = self._head.stats()
        return HeadSize(
            bytes=stats.bytes,
            frozen_bytes=stats.frozen_bytes,
            streams=stats.streams,
            rows=stats.rows,
            first_row_s=self._first_row_s,
            last_row_s=self._last_row_s,
        )

    def freeze(self, *, in_haste: bool = False) -> Generation | None:
        """Begin a new generation and give the old one to be flushed; None where it has no rows.

        `in_haste` says that somebody waits for its memory: however often its flush is tried, it is a fast one.
        Generations must be flushed one after the other: a manifest that covers one covers all before it.
        """
        with self._gate.freeze():
            head_bytes = self._head.stats().bytes
            count = RowCount(self._head, self._segments, in_haste=in_haste)
            frozen = self._head.freeze()
            if frozen is None:
                return None
            self._has_rows = False
            with self._lock:
                accepted_from_ns, self._accepted_from_ns = self._accepted_from_ns or 0, None
                up_to_seq = self._marks.last_seq(self.tenant)
                generation = Generation(frozen, up_to_seq, head_bytes, accepted_from_ns, count)
                self._generations.append(generation)
                self._frozen_up_to = max(self._frozen_up_to, generation.up_to_seq)
        return generation

    def unflushed(self) -> list[Generation]:
        """Generations that were given to be flushed and are not yet, oldest first."""
        with self._lock:
            return list(self._generations)

    def settle(self) -> None:
        """Let the WAL forget records that brought no row, as repetitions do, or could not be written."""
        stats = self._head.stats()
        if stats.rows or stats.frozen or not self._marks.has(self.tenant):
            return
        with self._gate.freeze():
            stats = self._head.stats()
            if not stats.rows and not stats.frozen:
                self._marks.flushed(self.tenant, self._marks.last_seq(self.tenant))

    def flushed(self, generation: Generation, days: Mapping[int, Committed]) -> None:
        """Let the rows of a generation go: the manifests of its days, committed, have them."""
        with self._lock:
            self._head.release(generation.frozen)
            self._generations = [other for other in self._generations if other is not generation]
            for day, committed in [*days.items(), *list(self._ahead.items())]:
                self._take(day, committed)
        self._measure()
        self._marks.flushed(self.tenant, generation.up_to_seq)
        self._journal.committed(self.tenant.value, sorted(days))

    def follow(self, writer_id: str, record: ForeignRecord, push: DecodedPush) -> int:
        """Show the rows of another writer's record, the next of its log, until segments have them; how many."""
        with self._lock:
            rows = self._foreign.get(writer_id)
            if rows is None:
                rows = self._foreign[writer_id] = ForeignRows()
            added = rows.add(record, push, partial(self._covered_seq, writer_id))
            if rows.is_empty:
                del self._foreign[writer_id]
        return added

    def foreign_days(self, writer_id: str) -> list[int]:
        """The days of another writer's rows that are in no segment as far as is known here."""
        with self._lock:
            rows = self._foreign.get(writer_id)
            return sorted(rows.days()) if rows is not None else []

    def foreign_bytes(self) -> int:
        """Of all other writers' rows that are held here."""
        with self._lock:
            return sum(rows.bytes() for rows in self._foreign.values())

    def adopt(self, day: int, committed: Committed) -> None:
        """Take a newer manifest of a day, whoever committed it.

        One that has rows of a generation on its way waits until the head lets go of them: else a query saw them twice.
        """
        with self._lock:
            self._take(day, committed)

    def days(self) -> list[int]:
        """The days that have a manifest, oldest first."""
        with self._lock:
            return sorted(self._days)

    def live(self) -> list[SegmentMeta]:
        """The segments of all days."""
        with self._lock:
            return [segment for committed in self._days.values() for segment in committed.manifest.segments]

    def known_day(self, day: int) -> Committed | None:
        """The day's manifest as it was last read or committed."""
        with self._lock:
            return self._days.get(day)

    def set_days(self, days: Mapping[int, Committed]) -> None:
        """Take what was read from the store."""
        with self._lock:
            self._days = dict(days)
            own = self._journal.writer_id
            covered = [committed.manifest.covered.get(own, 0) for committed in days.values()]
            self._frozen_up_to = max([self._frozen_up_to, *covered])
            for writer_id in list(self._foreign):
                self._rebuild(writer_id)

    def learn_day(self, day: int, committed: Committed) -> None:
        """Take a manifest before any row of its day is put back from the WAL: what it covers stays out."""
        with self._lock:
            known = self._days.get(day)
            self._days[day] = committed
            self._frozen_up_to = max(self._frozen_up_to, committed.manifest.covered.get(self._journal.writer_id, 0))
            self._drop_covered(known, committed)

    def has_rows(self) -> bool:
        """Whether there are rows in memory."""
        stats = self._head.stats()
        with self._lock:
            return bool(stats.rows or stats.frozen or self._foreign)

    def accepted_from_ns(self) -> int | None:
        """When the first of the rows in memory was accepted, or before; None without any. Ask before `snapshot`."""
        with self._lock:
            known = [generation.accepted_from_ns for generation in self._generations]
            known += [rows.accepted_from_ns() for rows in self._foreign.values()]
            if self._accepted_from_ns is not None:
                known.append(self._accepted_from_ns)
        return min(known, default=None)

    def snapshot(self, start_ns: int, end_ns: int) -> tuple[Sequence[SegmentMeta], list[HeadView]]:
        """The segments that may hold rows of a span, oldest first, and rows in memory: together, each row once."""
        with self._lock:
            manifests = [committed.manifest for committed in self._days.values()]
            foreign = [rows.view() for rows in self._foreign.values()]
            views = [view for view in [self._head.snapshot(), *foreign] if view is not None and view.rows]
        return segments_between(manifests, start_ns, end_ns), views

    def _take(self, day: int, committed: Committed) -> None:
        # Another process may have ended this one's log and flushed rows that are in no generation yet.
        is_ahead = self._covers(committed, self._frozen_up_to + 1) or any(
            self._covers(committed, generation.up_to_seq) for generation in self._generations
        )
        manifests = self._ahead if is_ahead else self._days
        known = manifests.get(day)
        if known is None or known.manifest.revision < committed.manifest.revision:
            manifests[day] = committed
            if not is_ahead:
                self._drop_covered(known, committed)
        if not is_ahead and self._ahead.get(day) is committed:
            del self._ahead[day]

    @contextmanager
    def _accepting(self, at_ns: int) -> Iterator[None]:
        """Around the insertion of rows that were accepted then: who sees them knows it."""
        with self._lock:
            if not self._inserting and not self._head.stats().rows:
                # Pushes that brought no row have left their time.
                self._accepted_from_ns = None
            self._inserting += 1
            self._accepted_from_ns = min(at_ns, at_ns if self._accepted_from_ns is None else self._accepted_from_ns)
        try:
            yield
        finally:
            with self._lock:
                self._inserting -= 1

    def _drop_covered(self, before: Committed | None, committed: Committed) -> None:
        """Show rows of other writers no more that are in the segments of a newer manifest."""
        known = before.manifest.covered if before is not None else {}
        for writer_id in list(self._foreign):
            if committed.manifest.covered.get(writer_id, 0) > known.get(writer_id, 0):
                self._rebuild(writer_id)

    def _rebuild(self, writer_id: str) -> None:
        rows = self._foreign[writer_id]
        rows.rebuild(partial(self._covered_seq, writer_id))
        if rows.is_empty:
            del self._foreign[writer_id]

    def _covered_seq(self, writer_id: str, day: int) -> int:
        committed = self._days.get(day)
        return committed.manifest.covered.get(writer_id, 0) if committed is not None else 0

    def _is_empty(self) -> bool:
        stats = self._head.stats()
        return not stats.rows and not stats.frozen

    def _touched(self, now_s: float) -> None:
        self._last_row_s = now_s
        if not self._has_rows:
            self._first_row_s = now_s
            self._has_rows = True

    def _measure(self) -> None:
        with self._lock:
            stats = self._head.stats()
            size_bytes = stats.bytes + stats.frozen_bytes
            self._all_head_bytes.add(size_bytes - self._head_bytes)
            self._head_bytes = size_bytes

    def _covers(self, committed: Committed, seq: int) -> bool:
        return committed.manifest.covered.get(self._journal.writer_id, 0) >= seq
