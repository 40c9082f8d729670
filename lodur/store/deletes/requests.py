"""Delete requests of a tenant as values, and what becomes of them: pure functions.

A request hides entries from the moment it is made. When its time to be cancelled is over it is *started*: from then on
the compactor writes segments anew without its entries, and it is *processed* when no segment and no head has any left.

What arrives late: a started request takes what was accepted until its cutoff, a little after the start. A segment knows
when the first of its entries was accepted, so that a log of pushes that comes back after months is still cleansed by
requests which were processed long before, and what is pushed anew after the cutoff stays.

Requests have ascending numbers and are started in that order; a segment knows up to which number all of them have been
applied to it. Format: docs/formats/deletes.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from lodur.model.durations import NS_PER_MINUTE
from lodur.model.errors import InvalidRequest, LimitExceeded, NotFound
from lodur.model.time_span import TimeSpan
from lodur.store.manifest import SegmentMeta
from lodur.store.summed_json import SUMMED_VERSION, DamagedJson, check_summed, with_sum

VERSION = SUMMED_VERSION
"""Of the format that is written; 1 had no checksum."""

ARRIVAL_SLACK_NS = NS_PER_MINUTE
"""By which clocks of processes may differ: what was accepted before a request's start is older than its cutoff."""

REQUESTS_MAX = 20_000
"""Of one tenant, processed ones included: some megabytes, which each change writes anew."""


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """Entries that are to go: those a log query shows between two times, both included."""

    number: int
    id: str
    query: str
    start_ns: int
    end_ns: int
    created_at_ns: int
    created_by: str = ""
    max_interval_ns: int = 0
    """Asked for, and without effect: nothing here is divided by time."""
    started_at_ns: int | None = None
    processed_at_ns: int | None = None

    @property
    def is_started(self) -> bool:
        return self.started_at_ns is not None

    @property
    def is_processed(self) -> bool:
        return self.processed_at_ns is not None

    def overlaps(self, start_ns: int, end_ns: int) -> bool:
        """Whether it may name an entry with `start_ns <= timestamp < end_ns`."""
        return self.start_ns < end_ns and self.end_ns >= start_ns

    def takes_what_came_at(self, accepted_from_ns: int) -> bool:
        """Whether it is for rows of which the first was accepted then."""
        return self.started_at_ns is None or accepted_from_ns <= self.started_at_ns + ARRIVAL_SLACK_NS

    def concerns(self, segment: SegmentMeta) -> bool:
        """Whether a segment may have entries that it takes and that have not been removed."""
        return (
            self.number > segment.deletes_through
            and self.overlaps(segment.min_ts_ns, segment.max_ts_ns + 1)
            and self.takes_what_came_at(segment.accepted_from_ns)
        )


@dataclass(frozen=True, slots=True)
class DeleteLog:
    """A tenant's requests by number, without those that were cancelled."""

    requests: tuple[DeleteRequest, ...] = ()
    last_number: int = 0
    """Of all that ever were."""
    revision: int = 0
    """Grows with each change."""
    version: int = VERSION

    def find(self, request_id: str) -> DeleteRequest | None:
        return next((request for request in self.requests if request.id == request_id), None)

    @property
    def started_through(self) -> int:
        """All requests up to this number have been started, or are gone."""
        waiting = [request.number for request in self.requests if not request.is_started]
        return min(waiting) - 1 if waiting else self.last_number


NO_REQUESTS = DeleteLog()


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request before it has a number."""

    id: str
    query: str
    span: TimeSpan
    """Its end is included."""
    created_at_ns: int
    created_by: str
    max_interval_ns: int


def with_added(log: DeleteLog, new: NewRequest) -> DeleteLog:
    """The log with a request; the same again changes nothing. Raises LimitExceeded where there are too many."""
    if log.find(new.id) is not None:
        return log
    if len(log.requests) >= REQUESTS_MAX:
        raise LimitExceeded(
            f"there are {len(log.requests)} delete requests (limit: {REQUESTS_MAX}); one request may name much: a "
            "longer time range, a regular expression for several values",
            limit="delete_requests",
        )
    # Due in the order of their numbers, whatever the clocks of processes say.
    latest_ns = max((request.created_at_ns for request in log.requests), default=new.created_at_ns)
    request = DeleteRequest(
        number=log.last_number + 1,
        id=new.id,
        query=new.query,
        start_ns=new.span.start_ns,
        end_ns=new.span.end_ns,
        created_at_ns=max(new.created_at_ns, latest_ns),
        created_by=new.created_by,
        max_interval_ns=new.max_interval_ns,
    )
    return replace(log, requests=(*log.requests, request), last_number=request.number)


def without_cancelled(log: DeleteLog, request_id: str, *, force: bool, is_late: bool, late_text: str) -> DeleteLog:
    """The log without a request. One that is late or has been started goes by force only, else `late_text` is raised.

    Raises NotFound, and InvalidRequest where it cannot be cancelled.
    """
    request = log.find(request_id)
    if request is None:
        raise NotFound("could not find delete request with given id")
    if request.is_processed:
        raise InvalidRequest("deletion of request which is in process or already processed is not allowed")
    if (request.is_started or is_late) and not force:
        raise InvalidRequest(late_text)
    return replace(log, requests=tuple(other for other in log.requests if other.id != request_id))


def with_started(log: DeleteLog, *, created_until_ns: int, now_ns: int) -> DeleteLog:
    """The log with all requests started that were made until then."""
    return replace(
        log,
        requests=tuple(
            replace(request, started_at_ns=now_ns)
            if not request.is_started and request.created_at_ns <= created_until_ns
            else request
            for request in log.requests
        ),
    )


def with_processed(log: DeleteLog, request_ids: frozenset[str], now_ns: int) -> DeleteLog:
    """The log with started requests processed."""
    return replace(
        log,
        requests=tuple(
            replace(request, processed_at_ns=now_ns)
            if request.id in request_ids and request.is_started and not request.is_processed
            else request
            for request in log.requests
        ),
    )


def due_requests(log: DeleteLog, segment: SegmentMeta) -> tuple[DeleteRequest, ...]:
    """The started requests whose entries are still to be removed from a segment, by number."""
    return tuple(request for request in log.requests if request.is_started and request.concerns(segment))


def requests_between(log: DeleteLog, start_ns: int, end_ns: int) -> Sequence[DeleteRequest]:
    """The requests that may name entries of a span."""
    return [request for request in log.requests if request.overlaps(start_ns, end_ns)]


def encode_log(log: DeleteLog) -> bytes:
    """The log as a file."""
    return with_sum(msgspec.json.encode(log, order="deterministic"))


def decode_log(data: bytes, path: str) -> DeleteLog:
    """The log of a file. Raises DamagedJson, and CorruptData for versions that this build does not know."""
    check_summed(data, path, "delete requests")
    try:
        return replace(_LOG.decode(data), version=VERSION)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedJson(path, f"no delete requests: {error}") from error


# Made here, once: several threads that each make one of the same type at the same time crash msgspec.
_LOG = msgspec.json.Decoder(DeleteLog)
