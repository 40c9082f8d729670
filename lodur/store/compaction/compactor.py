"""The compactor: looks through all days from time to time, merges, drops what has expired, deletes what is not live.

Several processes may do so over one store. A claim in the day's manifest keeps them from working on the same day at the
same time; should two of them do so nevertheless, the manifest's conditional write decides, and the one that comes late
drops its own work. Every step can be cut off: what no manifest names is nobody's segment, and what a manifest has
removed stays listed in it until its object is deleted. Start at `Compactor.run`; what to do is decided in `policy` and
`retention`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog

from lodur.kernels.compact import Cancel
from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_S
from lodur.model.errors import DeadlineExceeded, LodurError
from lodur.model.tenant import TenantId
from lodur.store.compaction.day_compaction import DayCompaction
from lodur.store.compaction.deleting import TenantDeletes, begin_deletes, finish_deletes, measure_deletes
from lodur.store.compaction.merging import Merger
from lodur.store.compaction.options import KEEP_ALL, CompactorOptions, RetentionPeriods
from lodur.store.compaction.retention import AskedSegments
from lodur.store.days import day_name
from lodur.store.deletes.deletions import Deletions
from lodur.store.manifest import SegmentMeta
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.store.thread_priority import step_back
from lodur.telemetry.compaction_metrics import CompactionMetrics

FIRST_RUN_S = 60.0
"""After the start at the latest: a server that is restarted often must compact too."""

LISTINGS = 2
"""Of all days, in the first runs after the start: what the listing at the start did not have yet is in one of these."""

NICENESS = 10
"""Of the threads that merge: pushes and queries go first."""

_log = structlog.get_logger(__name__)


class Compactor:
    """Compacts one store. `run` belongs to the event loop, `run_once` blocks; `stop` may be called from anywhere.

    `is_gone` says of another process's id whether that is known to have ended: its claims hold no more.
    """

    def __init__(
        self,
        store: Store,
        options: CompactorOptions,
        *,
        retention: Callable[[TenantId], RetentionPeriods],
        clock: Clock,
        metrics: CompactionMetrics,
        is_gone: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._store = store
        self._options = options
        self._retention = retention
        self._clock = clock
        self._metrics = metrics
        self._is_gone = is_gone
        self._cancel = Cancel()
        self._stopped = threading.Event()
        self._merger = Merger(store.writer.writer_id, store.writer.prefix(), self._cancel)
        self._threads = ThreadPoolExecutor(options.parallelism, "compact", partial(step_back, NICENESS))
        self._asked = AskedSegments()
        self._retention_due_ns = 0
        self._listings_left = LISTINGS

    async def run(self) -> None:
        """Compact at the interval until stopped."""
        self._metrics.running.set(1)
        interval_s = self._options.interval_ns / NS_PER_S
        wait_s = min(interval_s, FIRST_RUN_S)
        while not await asyncio.to_thread(self._stopped.wait, wait_s):
            await asyncio.to_thread(self.run_once)
            wait_s = interval_s
        self._metrics.running.set(0)

    def stop(self) -> None:
        """Break off what is under way and let `run` return."""
        self._cancel.set()
        self._stopped.set()

    def close(self) -> None:
        """Wait for the threads; `run` has returned."""
        self._threads.shutdown()

    def run_once(self) -> None:
        """Look through all days of all tenants once; failures are logged and counted."""
        begun_ns = self._clock.now_ns()
        expires = self._options.retention_enabled and begun_ns >= self._retention_due_ns
        if expires:
            self._retention_due_ns = begun_ns + self._options.retention_interval_ns
        self._find_days()
        for tenant_store in self._store.tenants():
            self._on_deletes(tenant_store, self._begin_deletes)
        days = [(tenant_store, day) for tenant_store in self._store.tenants() for day in tenant_store.days()]
        self._metrics.pending.set(len(days))
        done = list(self._threads.map(lambda place: self._day_done(*place, expires=expires), days))
        for tenant_store in self._store.tenants():
            self._on_deletes(tenant_store, self._finish_deletes)
        self._measure()
        if self._stopped.is_set():
            return  # neither a success nor a failure
        ended_s = self._clock.now_ns() / NS_PER_S
        self._metrics.ran(
            is_good=all(done),
            applied_retention=expires,
            ended_s=ended_s,
            took_s=ended_s - begun_ns / NS_PER_S,
        )

    def _on_deletes(self, tenant_store: TenantStore, work: Callable[[Deletions, TenantStore], None]) -> None:
        """What is to be done for a tenant's delete requests; a failure is told, and it is done at the next run."""
        deletions = self._store.deletions
        if deletions is None or self._stopped.is_set():
            return
        try:
            work(deletions, tenant_store)
        except (LodurError, OSError) as error:
            self._metrics.failures.inc()
            _log.error("delete requests could not be worked on", tenant=str(tenant_store.tenant), err=str(error))

    def _begin_deletes(self, deletions: Deletions, tenant_store: TenantStore) -> None:
        begin_deletes(
            deletions,
            tenant_store.tenant,
            cancel_period_ns=self._options.delete_cancel_period_ns,
            starts=self._options.retention_enabled,
            now_ns=self._clock.now_ns(),
        )

    def _finish_deletes(self, deletions: Deletions, tenant_store: TenantStore) -> None:
        finish_deletes(self._store, deletions, tenant_store, self._metrics.deletes)

    def _find_days(self) -> None:
        if not self._listings_left:
            return
        try:
            self._store.find_days()
            self._listings_left -= 1
        except (LodurError, OSError) as error:
            _log.warning("days were not listed, it is tried again at the next run", err=str(error))

    def _day_done(self, tenant_store: TenantStore, day: int, *, expires: bool) -> bool:
        """Work on a day; whether nothing went wrong."""
        log = _log.bind(tenant=str(tenant_store.tenant), day=day_name(day))
        try:
            if not self._stopped.is_set():
                self._compaction(tenant_store, day, expires=expires).run()
        except DeadlineExceeded:
            log.info("compaction broken off, it begins anew after the next start")
        except (LodurError, OSError) as error:
            self._metrics.failures.inc()
            log.error("compaction failed, it is tried again at the next run", err=str(error))
            return False
        except Exception:
            self._metrics.failures.inc()
            log.exception("compaction ended unexpectedly")
            return False
        finally:
            self._metrics.pending.dec()
        return True

    def _compaction(self, tenant_store: TenantStore, day: int, *, expires: bool) -> DayCompaction:
        is_kept_all, deletions = not self._options.retention_enabled, self._store.deletions
        return DayCompaction(
            self._store,
            tenant_store,
            day,
            options=self._options,
            periods=KEEP_ALL if is_kept_all else self._retention(tenant_store.tenant),
            expires=expires,
            merger=self._merger,
            deletes=TenantDeletes(deletions, tenant_store.tenant) if deletions is not None else None,
            asked=self._asked,
            stopped=self._stopped,
            is_gone=self._is_gone,
            clock=self._clock,
            metrics=self._metrics,
        )

    def _measure(self) -> None:
        segments = [segment for tenant_store in self._store.tenants() for segment in tenant_store.live()]
        if self._store.deletions is not None:
            tenants = [tenant_store.tenant for tenant_store in self._store.tenants()]
            measure_deletes(self._store.deletions, tenants, self._metrics.deletes)
        self._metrics.segments.set(len(segments))
        self._metrics.segment_bytes.set(sum(segment.file_bytes for segment in segments))
        self._metrics.write_amplification.set(write_amplification(segments))


def write_amplification(segments: Sequence[SegmentMeta]) -> float:
    """How often the lines of these segments were written at most; 1 is a flush and no more."""
    line_bytes = sum(segment.line_bytes for segment in segments)
    written_bytes = sum(segment.line_bytes * (segment.level + 1) for segment in segments)
    return written_bytes / line_bytes if line_bytes else 0.0
