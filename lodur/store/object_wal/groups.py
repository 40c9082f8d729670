"""The order of a log's groups: pushes join the open one, groups are sent several at a time, and settled in turn.

Without I/O and without threads of its own, so that every interleaving can be tested. Start at `Groups`.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from lodur.model.errors import Unavailable
from lodur.store.object_wal.names import FIRST_NUMBER, RECORDS_MAX, first_seq
from lodur.store.object_wal.options import ObjectWalOptions

IN_FLIGHT_MAX = 4
"""Groups being sent at a time: a request mostly takes less than an interval, and a slow one must not hold up others."""

WAITING_BYTES_MAX = 64 << 20
"""Of groups that are not durable yet; beyond it pushes are refused."""

STALLED_S = 5.0
"""A group that is not durable after so long shows that the store does not keep up: pushes are refused until it is."""

RETRY_AFTER_S = 5.0

Record = tuple[str, int, int, bytes]
"""Tenant, kind, time of acceptance in ns, payload."""


@dataclass(slots=True, eq=False)
class Group:
    """Records of one object."""

    number: int
    opened_s: float
    records: list[Record] = field(default_factory=list)
    size_bytes: int = 0
    is_durable: bool = False
    error: str = ""
    """Why its records were not acknowledged."""
    settled: threading.Event = field(default_factory=threading.Event)

    @property
    def last_seq(self) -> int:
        return first_seq(self.number) + len(self.records) - 1


class Groups:
    """All methods may be called from any thread; times are monotonic seconds."""

    def __init__(self, options: ObjectWalOptions) -> None:
        self._interval_s = options.interval_s
        self._group_bytes = options.group_bytes
        self.changed = threading.Condition()
        """Its lock, which may be taken twice, guards all that is here; notified when there may be something to send."""
        self._open: Group | None = None
        self._full: deque[Group] = deque()
        self._in_flight: deque[Group] = deque()
        self._next_number = FIRST_NUMBER
        self._waiting_bytes = 0
        self._begun_s = float("-inf")
        self.end_reason = ""
        """Why no record is taken any more; empty as long as they are."""

    def join(self, record: Record, now_s: float, *, must: bool = False) -> tuple[Group, int]:
        """Put a record into the open group; the group, and the number that the record has once that is durable.

        Raises Unavailable where records wait too long or too many do (unless it `must`), or none is taken any more.
        """
        size_bytes = len(record[3])
        with self.changed:
            if self.end_reason:
                raise Unavailable(self.end_reason, retry_after_s=RETRY_AFTER_S)
            if not must:
                self._refuse_if_behind(size_bytes, now_s)
            group = self._open
            if group is not None and not self._fits(group, size_bytes):
                self._full.append(group)
                group = None
            if group is None:
                group = self._open = Group(self._next_number, now_s)
                self._next_number += 1
            group.records.append(record)
            group.size_bytes += size_bytes
            self._waiting_bytes += size_bytes
            self.changed.notify_all()
            return group, group.last_seq

    def check_room(self, now_s: float) -> None:
        """Raise Unavailable where even a small record would not be taken."""
        with self.changed:
            self._refuse_if_behind(0, now_s)

    def due_s(self, now_s: float) -> float | None:
        """In how many seconds `take` would give a group; None where that is not a matter of time."""
        with self.changed:
            if len(self._in_flight) >= IN_FLIGHT_MAX or not (self._full or self._open):
                return None
            return 0.0 if self._full else max(0.0, self._begun_s + self._interval_s - now_s)

    def take(self, now_s: float) -> Group | None:
        """The next group that is to be sent now."""
        with self.changed:
            if self.due_s(now_s) != 0.0:
                return None
            group = self._full.popleft() if self._full else self._open
            if group is self._open:
                self._open = None
            assert group is not None
            self._begun_s = now_s
            self._in_flight.append(group)
            return group

    def settle(self, *, may_acknowledge: bool) -> list[Group]:
        """Answer for the groups that are durable and before which all are; those groups."""
        done: list[Group] = []
        with self.changed:
            while may_acknowledge and self._in_flight and self._in_flight[0].is_durable:
                group = self._in_flight.popleft()
                self._waiting_bytes -= group.size_bytes
                done.append(group)
            self.changed.notify_all()
        for group in done:
            group.settled.set()
        return done

    def end(self, reason: str) -> None:
        """Take nothing more and refuse all that is not acknowledged; later calls change nothing."""
        with self.changed:
            if self.end_reason:
                return
            self.end_reason = reason
            refused = [*self._in_flight, *self._full, *([self._open] if self._open else [])]
            self._in_flight.clear()
            self._full.clear()
            self._open = None
            self._waiting_bytes = 0
            self.changed.notify_all()
        for group in refused:
            group.error = reason
            group.settled.set()

    def waiting(self) -> tuple[int, int]:
        """Records that are not durable yet, and the bytes of their payloads."""
        with self.changed:
            groups = [*self._in_flight, *self._full, *([self._open] if self._open else [])]
            return sum(len(group.records) for group in groups), self._waiting_bytes

    def is_idle(self) -> bool:
        """Nothing waits or is being sent."""
        with self.changed:
            return not (self._open or self._full or self._in_flight)

    def _refuse_if_behind(self, size_bytes: int, now_s: float) -> None:
        oldest = self._in_flight[0] if self._in_flight else self._full[0] if self._full else None
        if oldest is not None and now_s - oldest.opened_s >= STALLED_S:
            raise Unavailable("the object store is slow to take pushes, try again later", retry_after_s=RETRY_AFTER_S)
        if self._waiting_bytes and self._waiting_bytes + size_bytes > WAITING_BYTES_MAX:
            raise Unavailable("too many pushes wait for the object store, try again later", retry_after_s=1.0)

    def _fits(self, group: Group, size_bytes: int) -> bool:
        return group.size_bytes + size_bytes <= self._group_bytes and len(group.records) < RECORDS_MAX
