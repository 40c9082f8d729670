"""What this process knows of delete requests, and which of them each source must be read without.

Requests of other processes are learned by reading a tenant's object again, at most `STALE_S` after the last time. A
tenant without requests costs a query one look into a dictionary, and so does a query that no request overlaps. Start at
`Deletions.for_segment`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from lodur.kernels.deletes import DeleteRule, Deletes
from lodur.model.clock import Clock
from lodur.model.errors import Unavailable
from lodur.model.limits import DeletionMode
from lodur.model.tenant import TenantId
from lodur.store.deletes.request_store import StoredLog, commit_log, mended_log, read_log
from lodur.store.deletes.requests import NO_REQUESTS, DeleteLog, DeleteRequest, requests_between
from lodur.store.manifest import SegmentMeta
from lodur.store.object_store import ObjectStore

AGING_S = 5.0
"""After which what is known is read again beside the query that noticed."""

STALE_S = 10.0
"""After which a query waits until it is read again: so late at most another process' request has effect here."""

COMPILED_SETS_MAX = 256
"""Combinations of requests that are kept ready for one tenant; each is a list of what is compiled anyway."""

PlanOf: TypeAlias = Callable[[DeleteRequest], bytes]
"""The plan message of a request (`lodur.kernels.delete_plan`). Raises InvalidRequest for a query that is none."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Known:
    """A tenant's requests, and what was compiled of them."""

    stored: StoredLog
    read_at_s: float
    rules: dict[int, DeleteRule] = field(default_factory=dict)
    sets: dict[tuple[int, ...], Deletes] = field(default_factory=dict)


class Deletions:
    """All tenants' requests. Methods may be called from any thread; `fresh` is for the event loop."""

    def __init__(
        self,
        store: ObjectStore,
        plan_of: PlanOf,
        clock: Clock,
        *,
        mode_of: Callable[[TenantId], DeletionMode] = lambda _: DeletionMode.FILTER_AND_DELETE,
    ) -> None:
        self._store = store
        self._plan_of = plan_of
        self._clock = clock
        self._mode_of = mode_of
        self._lock = threading.Lock()
        self._tenants: dict[TenantId, _Known] = {}
        self._reading: dict[TenantId, asyncio.Task[DeleteLog]] = {}
        self._stored: frozenset[TenantId] | None = None

    def note_stored(self, tenants: Iterable[TenantId]) -> None:
        """Take it that tenants other than these have no requests yet, as long as the store cannot be asked."""
        self._stored = frozenset(tenants)

    @property
    def object_store(self) -> ObjectStore:
        """Where requests and what became of them are kept."""
        return self._store

    def mode_of(self, tenant: TenantId) -> DeletionMode:
        """What requests do for a tenant."""
        return self._mode_of(tenant)

    def now_ns(self) -> int:
        """The time by which requests are started."""
        return self._clock.now_ns()

    def known(self, tenant: TenantId) -> DeleteLog:
        """A tenant's requests as last read."""
        with self._lock:
            found = self._tenants.get(tenant)
            return found.stored.log if found is not None else NO_REQUESTS

    def refresh(self, tenant: TenantId) -> DeleteLog:
        """Read a tenant's requests. Blocks. Raises CorruptData, and as `ObjectStore`."""
        begun_s = self._clock.monotonic_s()
        return self._adopt(tenant, read_log(self._store, tenant), begun_s)

    def mended(self, tenant: TenantId) -> DeleteLog:
        """As `refresh`, and write the requests anew where their object is damaged. Blocks."""
        begun_s = self._clock.monotonic_s()
        return self._adopt(tenant, mended_log(self._store, tenant), begun_s)

    async def fresh(self, tenant: TenantId) -> DeleteLog:
        """A tenant's requests, not older than `STALE_S` as long as the store answers. Raises as `refresh`."""
        with self._lock:
            found = self._tenants.get(tenant)
            age_s = self._clock.monotonic_s() - found.read_at_s if found is not None else STALE_S
        if found is not None and age_s < AGING_S:
            return found.stored.log
        reading = self._reading.get(tenant)
        if reading is None:
            reading = self._reading[tenant] = asyncio.create_task(asyncio.to_thread(self.refresh, tenant))
            reading.add_done_callback(lambda done: self._read(tenant, done))
        if found is not None and age_s < STALE_S:
            return found.stored.log
        try:
            # A query that is cancelled leaves the reading to others that wait for it.
            return await asyncio.shield(reading)
        except Unavailable:
            if found is not None:
                return found.stored.log
            if self._stored is None or tenant in self._stored:
                raise
            return NO_REQUESTS

    def change(self, tenant: TenantId, change: Callable[[DeleteLog], DeleteLog]) -> DeleteLog:
        """Commit a change of a tenant's requests. Blocks. Raises as `commit_log`."""
        with self._lock:
            found = self._tenants.get(tenant)
        known = found.stored if found is not None else read_log(self._store, tenant)
        begun_s = self._clock.monotonic_s()
        return self._adopt(tenant, commit_log(self._store, tenant, known, change), begun_s)

    def compile(self, request: DeleteRequest) -> DeleteRule:
        """Compile a request. Raises InvalidRequest for a query that is none."""
        return DeleteRule.compile(self._plan_of(request))

    def hiding(self, tenant: TenantId, start_ns: int, end_ns: int) -> Sequence[DeleteRequest]:
        """The requests that hide entries of a span. Those that are started have removed some already, whatever the
        tenant's mode has become."""
        found = requests_between(self.known(tenant), start_ns, end_ns)
        if found and self._mode_of(tenant) is DeletionMode.DISABLED:
            return [request for request in found if request.is_started]
        return found

    def for_segment(self, tenant: TenantId, segment: SegmentMeta, requests: Sequence[DeleteRequest]) -> Deletes | None:
        """Those of the requests that a segment must be read without; None where it is none."""
        return self.compiled(tenant, [request for request in requests if request.concerns(segment)])

    def for_rows(self, tenant: TenantId, accepted_from_ns: int, requests: Sequence[DeleteRequest]) -> Deletes | None:
        """The same for rows in memory, of which the first was accepted then."""
        return self.compiled(tenant, [one for one in requests if one.takes_what_came_at(accepted_from_ns)])

    def compiled(self, tenant: TenantId, requests: Sequence[DeleteRequest]) -> Deletes | None:
        """Requests of a tenant, each compiled once."""
        if not requests:
            return None
        numbers = tuple(request.number for request in requests)
        with self._lock:
            known = self._tenants[tenant]
            found = known.sets.get(numbers)
        if found is not None:
            return found
        rules = [self._rule(known, request) for request in requests]
        made = Deletes(rules)
        with self._lock:
            if len(known.sets) >= COMPILED_SETS_MAX:
                known.sets.clear()
            known.sets[numbers] = made
        return made

    def _rule(self, known: _Known, request: DeleteRequest) -> DeleteRule:
        rule = known.rules.get(request.number)
        if rule is None:
            rule = known.rules[request.number] = self.compile(request)
        return rule

    def _adopt(self, tenant: TenantId, stored: StoredLog, read_at_s: float) -> DeleteLog:
        """Take what was read or committed, if it is not older than what is known; what is known then."""
        with self._lock:
            known = self._tenants.get(tenant)
            if known is None:
                known = self._tenants[tenant] = _Known(stored, read_at_s)
            elif stored.log.revision >= known.stored.log.revision:
                if stored.log.revision > known.stored.log.revision:
                    numbers = {request.number for request in stored.log.requests}
                    known.rules = {number: rule for number, rule in known.rules.items() if number in numbers}
                    known.sets = {}
                known.stored = stored
                known.read_at_s = read_at_s
            return known.stored.log

    def _read(self, tenant: TenantId, done: asyncio.Task[DeleteLog]) -> None:
        self._reading.pop(tenant, None)
        error = None if done.cancelled() else done.exception()
        if error is None:
            return
        _log.warning(
            "delete requests cannot be read, queries go on with those known", tenant=str(tenant), err=str(error)
        )
        with self._lock:
            if tenant in self._tenants:
                # Not every query is to wait for a store that does not answer.
                self._tenants[tenant].read_at_s = self._clock.monotonic_s()
