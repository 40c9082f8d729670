"""What the model knows of delete requests: which entries they must hide, which may be seen, and which must.

The requests themselves, and when each was started, are read from the store as it is, without faults: whether one that
was not acknowledged is in force, nobody else can say. What follows from that is `Deleted`'s affair:

- From the moment that a process has seen a request, it shows no entry that was sent before the request was started.
- What is sent later than a minute after its start, to a process that knows of it, in memory with nothing older, stays.
- In between, it may be either; so may what a request took that was cancelled by force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lodur.store.deletes.requests import ARRIVAL_SLACK_NS, DeleteLog, DeleteRequest
from tests.compacting_node import Row
from tests.faults.violation import Violation

Names = Callable[[Row], bool]


@dataclass(slots=True)
class Arrival:
    """The last time that an entry was acknowledged."""

    name: str
    """The process."""
    with_ns: int
    """When the first entry was sent that shared its place in memory."""
    known: frozenset[str]
    """The requests of which the process knew then that they were started."""
    is_flushed: bool = False
    is_safe: bool = True
    """No bit was flipped in the log that has it."""


@dataclass(slots=True)
class Asked:
    """A request that was made, or tried."""

    text: str
    start_ns: int
    end_ns: int
    matches: Names
    is_acknowledged: bool = False
    is_cancelled: bool = False
    """As was acknowledged; what was not may be cancelled too."""
    may_be_cancelled: bool = False

    def names(self, row: Row) -> bool:
        return self.start_ns <= row[1] <= self.end_ns and self.matches(row)


@dataclass(slots=True)
class Deleted:
    """All requests, and the times of the entries that they are for."""

    cancel_period_ns: int
    asked: dict[str, Asked] = field(default_factory=dict)
    in_force: dict[str, DeleteRequest] = field(default_factory=dict)
    seen_by: dict[str, set[str]] = field(default_factory=dict)
    """By process, the requests that it knows since it was started."""
    sent_ns: dict[Row, int] = field(default_factory=dict)
    """When an entry was sent last, acknowledged or not."""
    arrived: dict[Row, Arrival] = field(default_factory=dict)
    partly_gone: set[Row] = field(default_factory=set)
    in_memory_since: dict[str, tuple[int, frozenset[str]]] = field(default_factory=dict)
    """By process, when the first was sent of the entries that may be in memory, and the started requests it knew."""
    has_started: bool = False
    """The compactor has begun with a request: processes do not know any more what they flushed before."""
    is_forgetful: bool = False
    """A manifest was rebuilt, which does not know any more when its entries were accepted: requests take them all."""

    def sent(self, name: str, rows: Iterable[Row], now_ns: int, known: DeleteLog) -> None:
        """Entries are on their way to a process that knows these requests."""
        started = frozenset(request.id for request in known.requests if request.is_started)
        self.in_memory_since.setdefault(name, (now_ns, started))
        for row in rows:
            self.sent_ns[row] = now_ns

    def acknowledged(self, name: str, rows: Iterable[Row]) -> None:
        for row in rows:
            self.arrived[row] = Arrival(name, *self.in_memory_since[name])

    def flushed(self, name: str) -> None:
        """All that a process had in memory is in segments."""
        self.in_memory_since.pop(name, None)
        for arrival in self.arrived.values():
            arrival.is_flushed = arrival.is_flushed or arrival.name == name

    def log_damaged(self, name: str) -> None:
        """One of the records in the log of a process may be lost."""
        for arrival in self.arrived.values():
            arrival.is_safe = arrival.is_safe and (arrival.is_flushed or arrival.name != name)

    def observe(self, log: DeleteLog, now_ns: int) -> None:
        """Take in what the store says. Raises Violation where it says what cannot be."""
        found = {request.id: request for request in log.requests}
        for request in found.values():
            if request.id not in self.asked:
                raise Violation(f"a delete request that nobody made: {request}")
            if self.asked[request.id].is_cancelled:
                raise Violation(f"a delete request is in force that was cancelled: {request}")
            if request.started_at_ns is not None and request.created_at_ns + self.cancel_period_ns > now_ns:
                raise Violation(f"started before its cancel period was over: {request}")
            self.has_started = self.has_started or request.is_started
            before = self.in_force.get(request.id)
            if before is not None and before.is_started and before.started_at_ns != request.started_at_ns:
                raise Violation(f"started twice: {before}, {request}")
        for request_id, asked in self.asked.items():
            if request_id in found or request_id not in self.in_force:
                continue
            if not asked.may_be_cancelled:
                raise Violation(f"a delete request is gone that nobody cancelled: {self.in_force[request_id]}")
            if self.in_force[request_id].is_started:
                self.partly_gone |= {row for row in self.sent_ns if asked.names(row)}
        lost = [one for one in self.asked.items() if one[1].is_acknowledged and not one[1].may_be_cancelled]
        if any(request_id not in found for request_id, _ in lost):
            raise Violation(f"an acknowledged delete request is lost: {lost}")
        self.in_force = found

    def named(self) -> set[Row]:
        """What the requests in force are for."""
        return {row for row in self.sent_ns if any(self.asked[one].names(row) for one in self.in_force)}

    def must_hide(self, name: str) -> set[Row]:
        """What a process may not show."""
        seen = self.seen_by.get(name, set())
        requests = [(self.asked[one.id], one) for one in self.in_force.values() if one.id in seen]
        return {
            row
            for row, sent_ns in self.sent_ns.items()
            if any(asked.names(row) and _is_taken(one, sent_ns) for asked, one in requests)
        }

    def may_hide(self, name: str, known: Mapping[str, DeleteRequest], *, sees_others: bool) -> set[Row]:
        """What a process that knows these requests may show or not, whatever was acknowledged."""
        requests = [(self.asked[one.id], one) for one in [*self.in_force.values(), *known.values()]]
        if not requests:
            return set(self.partly_gone)
        named = {row for row in self.sent_ns if any(asked.names(row) for asked, _ in requests)}
        return self.partly_gone | {row for row in named if not self._must_show(row, name, requests, sees_others)}

    def _must_show(
        self, row: Row, name: str, requests: Iterable[tuple[Asked, DeleteRequest]], sees_others: bool
    ) -> bool:
        arrival = self.arrived.get(row)
        if arrival is None or self.is_forgetful or not arrival.is_safe:
            return False
        if arrival.name != name and not (arrival.is_flushed and sees_others):
            return False
        return all(
            one.started_at_ns is not None
            and one.id in arrival.known
            and arrival.with_ns > one.started_at_ns + ARRIVAL_SLACK_NS
            for asked, one in requests
            if asked.names(row)
        )

    def must_be_gone(self) -> set[Row]:
        """What no segment may have any more once all requests are processed."""
        requests = [(self.asked[one.id], one) for one in self.in_force.values() if one.is_processed]
        return {
            row
            for row, sent_ns in self.sent_ns.items()
            if any(asked.names(row) and _is_taken(one, sent_ns) for asked, one in requests)
        }


def _is_taken(request: DeleteRequest, sent_ns: int) -> bool:
    return request.started_at_ns is None or sent_ns <= request.started_at_ns
