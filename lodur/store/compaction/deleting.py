"""What the compactor does for delete requests: start those that are due, say what they take from a segment, and call
them processed when nothing is left.

The entries themselves go in `day_compaction`, with the merges. Start at `begin_deletes` and `TenantDeletes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from lodur.kernels.deletes import Deletes
from lodur.kernels.segment import Segment
from lodur.model.errors import NotFound, Unavailable
from lodur.model.limits import DeletionMode
from lodur.model.tenant import TenantId
from lodur.store.deletes.audit import read_trail, record, removed_from
from lodur.store.deletes.deletions import Deletions
from lodur.store.deletes.requests import DeleteLog, DeleteRequest, due_requests, with_processed, with_started
from lodur.store.manifest import Removal, RemovedSegment, SegmentMeta
from lodur.store.object_store import ObjectStore
from lodur.store.open_segments import OpenSegment
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.telemetry.delete_metrics import DeleteMetrics

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What is left out of one segment when it is written anew."""

    requests: tuple[DeleteRequest, ...]
    deletes: Deletes


@dataclass(frozen=True, slots=True)
class Effect:
    """What requests do to a segment, from its directory."""

    requests: tuple[DeleteRequest, ...]
    covered: tuple[int, ...]
    """Rows that go for sure, by request."""
    open_rows: int
    """Rows of blocks that must be read to know."""

    def clears(self) -> bool:
        """Whether nothing of it is taken."""
        return not self.open_rows and not any(self.covered)

    def drops(self, segment: SegmentMeta) -> bool:
        """Whether all of it is taken, so that nobody need read it."""
        return not segment.is_unread and sum(self.covered) == segment.rows


def begin_deletes(deletions: Deletions, tenant: TenantId, *, cancel_period_ns: int, starts: bool, now_ns: int) -> None:
    """Learn a tenant's requests, and start those that can be cancelled no more, where that is wanted.

    Raises as `ObjectStore`, and CorruptData.
    """
    log = deletions.mended(tenant)
    if not starts or deletions.mode_of(tenant) is not DeletionMode.FILTER_AND_DELETE:
        return
    until_ns = now_ns - cancel_period_ns
    due = [one.id for one in log.requests if not one.is_started and one.created_at_ns <= until_ns]
    if due:
        deletions.change(tenant, partial(_started, until_ns, now_ns))
        _log.info("delete requests are carried out from now on", tenant=str(tenant), requests=",".join(due))


def finish_deletes(store: Store, deletions: Deletions, tenant_store: TenantStore, metrics: DeleteMetrics) -> None:
    """Call those requests processed of which nothing is left, as far as this process knows. Raises as `begin_deletes`.

    Another process may have accepted entries before and not flushed them, and segments that are set aside may have
    some: they are taken when they come, or can be read. The trail names such segments.
    """
    tenant, log = tenant_store.tenant, deletions.known(tenant_store.tenant)
    waiting = [request for request in log.requests if request.is_started and not request.is_processed]
    if not waiting:
        return
    aside, segments = store.set_aside(), tenant_store.live()
    live = [segment for segment in segments if segment.path not in aside]
    accepted_from_ns = tenant_store.accepted_from_ns() if tenant_store.has_rows() else None
    done = frozenset(
        request.id
        for request in waiting
        if (accepted_from_ns is None or not request.takes_what_came_at(accepted_from_ns))
        and not any(request.concerns(segment) for segment in live)
    )
    if not done:
        return
    for request in waiting:
        unread = [one.path for one in segments if one.path in aside and request.concerns(one)]
        if request.id in done and unread:
            # First: once it is processed, nobody would find out.
            record(deletions.object_store, tenant, request, unread=unread)
            _log.warning(
                "segments cannot be read, what a delete request names may be in them",
                tenant=str(tenant),
                request=request.id,
                segments=",".join(unread),
            )
    log = deletions.change(tenant, partial(_processed, done, deletions.now_ns()))
    for request in log.requests:
        if request.id in done:
            trail = record(deletions.object_store, tenant, request)
            metrics.processed.labels(tenant.value).inc()
            _log.info("delete request is processed", tenant=str(tenant), request=request.id, rows=trail.removed_rows)


def measure_deletes(deletions: Deletions, tenants: Sequence[TenantId], metrics: DeleteMetrics) -> None:
    """Show how many requests wait."""
    waiting = [one for tenant in tenants for one in deletions.known(tenant).requests if not one.is_processed]
    oldest_ns = min((request.created_at_ns for request in waiting), default=deletions.now_ns())
    metrics.pending.set(len(waiting))
    metrics.oldest_pending_age.set(max(0.0, (deletions.now_ns() - oldest_ns) / 1e9))


class TenantDeletes:
    """A tenant's started requests, for the work on one of its days."""

    def __init__(self, deletions: Deletions, tenant: TenantId) -> None:
        self._deletions = deletions
        self._tenant = tenant
        self._log = deletions.known(tenant)
        self._effects: dict[tuple[str, int], Effect] = {}

    @property
    def through(self) -> int:
        """Up to which number requests have been applied to what is written by `taken`."""
        return self._log.started_through

    def due(self, segment: SegmentMeta) -> tuple[DeleteRequest, ...]:
        """The started requests that may have something to take from a segment."""
        return due_requests(self._log, segment) if self._log.requests else ()

    def taken(self, segments: Sequence[SegmentMeta]) -> list[Taken | None]:
        """What must be left out of segments that become one.

        Raises Unavailable where one of them knows more requests than can be found.
        """
        applied = max((segment.deletes_through for segment in segments), default=0)
        if applied > self._log.started_through:
            # Another process has begun with requests that this one has not seen; all must be applied to all inputs.
            self._log = self._deletions.refresh(self._tenant)
            if applied > self._log.started_through:
                raise Unavailable(
                    f"delete request {applied} of tenant {self._tenant} has been applied but is not known"
                )
        found: list[Taken | None] = []
        for segment in segments:
            requests = self.due(segment)
            deletes = self._deletions.compiled(self._tenant, requests)
            found.append(None if deletes is None else Taken(requests, deletes))
        return found

    def effect(self, store: Store, objects: ObjectStore, segment: SegmentMeta) -> Effect | None:
        """What is due for a segment; None where nothing is, or the segment cannot be opened. Raises Unavailable."""
        requests = self.due(segment)
        deletes = self._deletions.compiled(self._tenant, requests)
        if deletes is None:
            return None
        key = (segment.path, requests[-1].number)
        if key not in self._effects:
            opened = store.open_segments([(objects, segment)]).segments
            if not opened:
                return None
            try:
                covered, open_rows = deletes.effect(with_filter(opened[0], segment, objects, deletes))
            except NotFound:
                return None
            self._effects[key] = Effect(requests, tuple(covered), open_rows)
        return self._effects[key]

    def record(self, removed: Sequence[RemovedSegment]) -> None:
        """Put what was removed into the audit trails. Raises as `ObjectStore`, and CorruptData."""
        by_request: dict[str, list[tuple[str, Removal]]] = {}
        for segment in removed:
            for removal in segment.removals:
                by_request.setdefault(removal.request_id, []).append((segment.path, removal))
        objects = self._deletions.object_store
        for request_id, removals in by_request.items():
            request = self._log.find(request_id)
            if request is None:
                # Cancelled by force in between.
                trail = read_trail(objects, self._tenant, request_id)
                request = trail.request if trail is not None else None
            if request is None:
                _log.warning("delete request is not known any more", tenant=str(self._tenant), request=request_id)
                continue
            record(objects, self._tenant, request, removed=[removed_from(path, one) for path, one in removals])


def removals_of(
    taken: Mapping[str, Mapping[str, int]], *, at_ns: int, by: str, into: tuple[str, ...]
) -> dict[str, tuple[Removal, ...]]:
    """What a manifest keeps of removed rows, from their number by segment and request."""
    return {
        path: tuple(Removal(request_id, rows, at_ns, by, into) for request_id, rows in by_request.items() if rows)
        for path, by_request in taken.items()
    }


def with_filter(opened: OpenSegment, meta: SegmentMeta, objects: ObjectStore, deletes: Deletes) -> Segment:
    """The segment with the parts of its gram filter at hand that the requests ask. Raises as `ObjectStore`."""
    if isinstance(opened, Segment):
        return opened
    ranges = deletes.probe_ranges(opened.segment)
    parts = objects.get_ranges(meta.path, ranges) if ranges else []
    return opened.segment.with_ranges([(offset, part) for (offset, _), part in zip(ranges, parts, strict=True)])


def _started(until_ns: int, now_ns: int, log: DeleteLog) -> DeleteLog:
    return with_started(log, created_until_ns=until_ns, now_ns=now_ns)


def _processed(done: frozenset[str], now_ns: int, log: DeleteLog) -> DeleteLog:
    return with_processed(log, done, now_ns)
