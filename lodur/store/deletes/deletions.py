"""What this process knows of delete requests, and which of them each source must be read without.

Requests of other processes are learned by reading a tenant's object again, at most `STALE_S` after the last time; while
the store does not answer, queries go on with those that are known, for a while (docs/formats/deletes.md). A tenant
without requests costs a query one look into a dictionary, and so does a query that no request overlaps. Start at
`Deletions.for_segment`.
"""

from __future__ import annotations

import asyncio
import math
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import TypeAlias

import structlog

from lodur.kernels.deletes import DeleteRule, Deletes
from lodur.model.clock import Clock
from lodur.model.errors import Unavailable
from lodur.model.limits import DeletionMode
from lodur.model.tenant import TenantId
from lodur.store.deletes.request_store import StoredLog, commit_log, mended_log, read_log
from lodur.store.deletes.requests import ARRIVAL_SLACK_NS, NO_REQUESTS, DeleteLog, DeleteRequest, requests_between
from lodur.store.manifest import SegmentMeta
from lodur.store.object_store import ObjectStore

AGING_S = 5.0
"""After which what is known is read again beside the query that noticed."""

STALE_S = 10.0
"""After which a query waits until it is read again: so late at most another process' request has effect here."""

WAIT_S = 1.0
"""So long a query waits for the store at most, for others' lines are to be seen within two seconds; where it was in
vain, those of the next `STALE_S` do not wait, nor any while the store has not answered what it was asked before."""

FIRST_WAIT_S = 5.0
"""So long where none are known, without which nothing can be shown."""

KNOWN_MAX_S = 3600.0
"""So long queries go on with the requests that are known while the store does not answer; then they fail, for another
process may have been told to delete what they would show."""

READ_THREADS = 4
"""Threads of their own: a store that hangs holds up nothing but the reading of requests."""

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
    cutoffs: Sequence[tuple[int, int]] = ()
    """Of started requests, after which they take nothing more, and the largest number so far."""
    rules: dict[int, DeleteRule] = field(default_factory=dict)
    sets: dict[tuple[int, ...], Deletes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Of a tenant's requests, under way beside queries."""

    log: asyncio.Future[DeleteLog]
    begun_s: float


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
        self._reading: dict[TenantId, _Reading] = {}
        self._threads = ThreadPoolExecutor(READ_THREADS, "read-deletes")
        self._tried_s: dict[TenantId, float] = {}
        """When the store was asked last and did not answer, or not in time."""
        self._stored: frozenset[TenantId] | None = None

    def close(self) -> None:
        """Read no more; what is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

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
        return self._adopt(tenant, read_log(self._store, tenant, self.known(tenant)), begun_s)

    def mended(self, tenant: TenantId) -> DeleteLog:
        """As `refresh`, and write the requests anew where their object is damaged. Blocks."""
        begun_s = self._clock.monotonic_s()
        return self._adopt(tenant, mended_log(self._store, tenant, self.known(tenant)), begun_s)

    async def fresh(self, tenant: TenantId) -> DeleteLog:
        """A tenant's requests, not older than `STALE_S` as long as the store answers in time.

        Where it does not, those last known, for `KNOWN_MAX_S`. Raises Unavailable after that, and for a tenant of which
        none were ever read; CorruptData.
        """
        now_s = self._clock.monotonic_s()
        usable, asked_s = self._usable(tenant, now_s)
        if usable is not None and now_s - asked_s < AGING_S:
            return usable
        begun = self._read_beside(tenant, now_s)
        if usable is not None and (now_s - asked_s < STALE_S or now_s - begun.begun_s >= WAIT_S):
            return usable
        reading = begun.log
        # A query that is cancelled, or waits no longer, leaves the reading to others.
        wait_s = FIRST_WAIT_S if usable is None else WAIT_S
        await asyncio.wait((reading,), timeout=wait_s)
        error = reading.exception() if reading.done() and not reading.cancelled() else None
        if reading.done() and not reading.cancelled() and error is None:
            return reading.result()
        if error is not None and not isinstance(error, Unavailable):
            raise error
        # Not every query is to wait for a store that does not answer.
        self._tried_s[tenant] = now_s
        if usable is not None:
            return usable
        reason = str(error) if error is not None else f"no answer within {wait_s:g} s"
        raise Unavailable(
            f"delete requests cannot be read, without which queries might show what was deleted: {reason}",
            retry_after_s=WAIT_S,
        ) from error

    def _usable(self, tenant: TenantId, now_s: float) -> tuple[DeleteLog | None, float]:
        """The requests that a query can do with while others cannot be read, and when the store was asked last."""
        with self._lock:
            found = self._tenants.get(tenant)
            tried_s = self._tried_s.get(tenant, -math.inf)
            if found is None:
                is_new = self._stored is not None and tenant not in self._stored
                return NO_REQUESTS if is_new else None, tried_s
            log = found.stored.log if now_s - found.read_at_s < KNOWN_MAX_S else None
            return log, max(found.read_at_s, tried_s)

    def _read_beside(self, tenant: TenantId, now_s: float) -> _Reading:
        """The reading of a tenant's requests that is under way, begun where there is none."""
        reading = self._reading.get(tenant)
        if reading is None:
            log = asyncio.get_running_loop().run_in_executor(self._threads, self.refresh, tenant)
            reading = self._reading[tenant] = _Reading(log, now_s)
            log.add_done_callback(partial(self._read, tenant))
        return reading

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

    def through(self, tenant: TenantId, at_ns: int) -> int:
        """The last of a tenant's requests that take nothing which is accepted at a time; 0 for none."""
        with self._lock:
            found = self._tenants.get(tenant)
        if found is None or not found.cutoffs:
            return 0
        place = bisect_left(found.cutoffs, at_ns, key=_cutoff_ns)
        return found.cutoffs[place - 1][1] if place else 0

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
                known = self._tenants[tenant] = _Known(stored, read_at_s, cutoffs=_cutoffs(stored.log))
            elif stored.log.revision >= known.stored.log.revision:
                if stored.log.revision > known.stored.log.revision:
                    numbers = {request.number for request in stored.log.requests}
                    known.rules = {number: rule for number, rule in known.rules.items() if number in numbers}
                    known.sets = {}
                    known.cutoffs = _cutoffs(stored.log)
                known.stored = stored
                known.read_at_s = read_at_s
            return known.stored.log

    def _read(self, tenant: TenantId, done: asyncio.Future[DeleteLog]) -> None:
        self._reading.pop(tenant, None)
        error = None if done.cancelled() else done.exception()
        if error is None:
            return
        _log.warning(
            "delete requests cannot be read, queries go on with those known for a while",
            tenant=str(tenant),
            err=str(error),
        )
        self._tried_s[tenant] = self._clock.monotonic_s()


def _cutoffs(log: DeleteLog) -> list[tuple[int, int]]:
    started = sorted((one.started_at_ns, one.number) for one in log.requests if one.started_at_ns is not None)
    numbers = accumulate((number for _, number in started), max)
    return [(at_ns + ARRIVAL_SLACK_NS, number) for (at_ns, _), number in zip(started, numbers, strict=True)]


def _cutoff_ns(cutoff: tuple[int, int]) -> int:
    return cutoff[0]
