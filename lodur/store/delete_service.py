"""Make, list and cancel delete requests. Parsing of parameters and texts of answers are the API's matter.

All methods block. Start at `DeleteService.add`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import structlog

from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_HOUR, format_go_duration
from lodur.model.errors import LodurError
from lodur.model.limits import DeletionMode
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.store.deletes.audit import Cancelled, Trail, read_trails, record
from lodur.store.deletes.commit_watch import CommitWatch, Progress
from lodur.store.deletes.deletions import Deletions
from lodur.store.deletes.requests import (
    DeleteLog,
    DeleteRequest,
    NewRequest,
    with_added,
    without_cancelled,
)
from lodur.store.store import Store
from lodur.telemetry.delete_metrics import DeleteMetrics

_log = structlog.get_logger(__name__)

LATE_TEXT = (
    "Cancellation of partially completed delete request or delete request past the deadline of {} since its creation "
    "is not allowed. To force, use the ?force query parameter"
)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How requests may be made and cancelled. Durations are nanoseconds."""

    enabled: bool = False
    """Whether there are delete requests at all; in Loki's words, whether retention is enabled."""
    cancel_period_ns: int = 24 * NS_PER_HOUR
    """How long a request waits, and may be cancelled."""
    max_interval_ns: int = 24 * NS_PER_HOUR
    """Largest `max_interval` that a request may ask for."""


@dataclass(frozen=True, slots=True)
class ListedRequest:
    """A request and how far it has got."""

    request: DeleteRequest
    percent: int
    """Of the segments that it concerned, those that are done; meaningless before it is started and when processed."""


def status_text(listed: ListedRequest) -> str:
    """The state of a request in Loki's words."""
    if listed.request.is_processed:
        return "processed"
    return f"{listed.percent}% Complete" if listed.request.is_started else "received"


class DeleteService:
    """The requests of all tenants of a store that has `deletions`."""

    def __init__(
        self,
        store: Store,
        deletions: Deletions,
        options: DeleteOptions,
        clock: Clock,
        *,
        new_id: Callable[[], str],
        metrics: DeleteMetrics,
    ) -> None:
        self.options = options
        self._store = store
        self._deletions = deletions
        self._clock = clock
        self._new_id = new_id
        self._metrics = metrics

    def mode_of(self, tenant: TenantId) -> DeletionMode:
        """What requests do for a tenant."""
        return self._deletions.mode_of(tenant)

    def new_request(self, query: str, span: TimeSpan, *, max_interval_ns: int, by: str) -> NewRequest:
        """A request for what the query shows in the span, whose end is included; without effect yet.

        Raises InvalidRequest for a query that is none.
        """
        new = NewRequest(self._new_id(), query, span, self._clock.now_ns(), by, max_interval_ns)
        (draft,) = with_added(DeleteLog(), new).requests
        self._deletions.compile(draft)
        return new

    def add(self, tenant: TenantId, new: NewRequest, watch: CommitWatch | None = None) -> DeleteRequest:
        """Make a request; it has effect on return. The same again changes nothing.

        Raises LimitExceeded, DeadlineExceeded where the watch calls it off, and as `ObjectStore`.
        """
        watch = watch or CommitWatch()
        self._store.tenant(tenant)
        log = self._deletions.change(tenant, partial(_added, new, watch))
        watch.done()
        self._metrics.received.labels(tenant.value).inc()
        request = log.find(new.id)
        assert request is not None
        self._record(tenant, request)
        return request

    def all(self, tenant: TenantId) -> list[ListedRequest]:
        """All requests that were not cancelled, in the order in which they were made. Raises as `ObjectStore`."""
        log = self._deletions.refresh(tenant)
        return [ListedRequest(request, self._percent(tenant, request)) for request in log.requests]

    def trails(self, tenant: TenantId, watch: CommitWatch | None = None) -> list[Trail]:
        """The audit trail: all requests that ever were, and what they removed.

        Raises DeadlineExceeded where the watch calls it off, and as `ObjectStore`.
        """
        log = self._deletions.refresh(tenant)
        kept = {trail.request.id: trail for trail in read_trails(self._deletions.object_store, tenant, watch)}
        current = {request.id: request for request in log.requests}
        # A process may have died before it wrote the first line of a trail.
        told = kept | {
            request_id: replace(kept.get(request_id, Trail(request)), request=request)
            for request_id, request in current.items()
        }
        return sorted(told.values(), key=lambda trail: trail.request.number)

    def cancel(
        self, tenant: TenantId, request_id: str, *, force: bool, by: str, watch: CommitWatch | None = None
    ) -> None:
        """End a request; entries that have not been removed are seen again.

        Raises NotFound, InvalidRequest where it cannot be cancelled, DeadlineExceeded where the watch calls it off, and
        as `ObjectStore`.
        """
        watch = watch or CommitWatch()
        now_ns = self._clock.now_ns()
        late_text = LATE_TEXT.format(format_go_duration(self.options.cancel_period_ns))
        request = self._deletions.refresh(tenant).find(request_id)
        is_late = request is not None and request.created_at_ns + self.options.cancel_period_ns < now_ns
        self._deletions.change(tenant, partial(_cancelled, request_id, force, is_late, late_text, watch))
        watch.done()
        if request is not None:
            self._record(tenant, request, Cancelled(now_ns, by, force))

    def generation(self, tenant: TenantId) -> str:
        """Changes with every change of a tenant's requests; empty where there never was one."""
        revision = self._deletions.known(tenant).revision
        return str(revision) if revision else ""

    def _record(self, tenant: TenantId, request: DeleteRequest, cancelled: Cancelled | None = None) -> None:
        """Write into the audit trail what has been committed: that it cannot be written does not undo it.

        A trail that was never begun is made of the requests themselves when it is read; of a cancellation the log of
        this process is all that is left then.
        """
        try:
            record(self._deletions.object_store, tenant, request, cancelled=cancelled)
        except LodurError as error:
            _log.error(
                "audit trail of a delete request was not written",
                tenant=tenant.value,
                request=request.id,
                query=request.query,
                cancelled_by=cancelled.by if cancelled is not None else "",
                err=str(error),
            )

    def _percent(self, tenant: TenantId, request: DeleteRequest) -> int:
        touched = [
            segment
            for segment in self._store.tenant(tenant).live()
            if request.overlaps(segment.min_ts_ns, segment.max_ts_ns + 1)
        ]
        done = sum(not request.concerns(segment) for segment in touched)
        return min(99, 100 * done // len(touched)) if touched else 0


def _added(new: NewRequest, watch: CommitWatch, log: DeleteLog) -> DeleteLog:
    changed = with_added(log, new)
    watch.send()
    return changed


def _cancelled(
    request_id: str, force: bool, is_late: bool, late_text: str, watch: CommitWatch, log: DeleteLog
) -> DeleteLog:
    if watch.progress is Progress.SENT and log.find(request_id) is None:
        # It was there at the attempt before, which the store carried out although it answered that it had not.
        return log
    changed = without_cancelled(log, request_id, force=force, is_late=is_late, late_text=late_text)
    watch.send()
    return changed
