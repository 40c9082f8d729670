"""Move rows from heads to segments: when the policy says so, on demand, and when the server stops.

Each flush runs on a thread; those of one tenant run one after the other, because a manifest that covers a generation
covers all before it. Start at `Flusher.run`.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog

from lodur.ingest.flush_policy import FlushPolicy, FlushReason, HeadFacts, is_calm, plan_flushes
from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_S
from lodur.model.errors import LodurError, Unavailable
from lodur.store.manifest_store import Committed
from lodur.store.store import Store
from lodur.store.tenant_store import Generation, TenantStore
from lodur.store.thread_priority import step_back
from lodur.telemetry.flush_metrics import Flushed
from lodur.telemetry.ingest_metrics import IngestMetrics

NICENESS = 10
"""Of the threads that flush what came slowly: pushes go first, and a tenth of a core is left where all are busy."""

RETRY_FIRST_S = 1.0
RETRY_MAX_S = 30.0
"""Between attempts to flush: a store that is back is found soon, one that is away is not pressed."""

_log = structlog.get_logger(__name__)


class Flusher:
    """All methods but `notice` and `flush_now` belong to the event loop.

    `when_quiet` is called on a flush's thread after rows that came slowly were flushed.
    """

    def __init__(
        self,
        store: Store,
        policy: FlushPolicy,
        *,
        check_period_s: float,
        concurrency: int,
        stopping: threading.Event,
        clock: Clock,
        metrics: IngestMetrics,
        when_quiet: Callable[[], None],
    ) -> None:
        self._store = store
        self._policy = policy
        self._check_period_s = check_period_s
        self._clock = clock
        self._metrics = metrics
        self._when_quiet = when_quiet
        self._threads = ThreadPoolExecutor(concurrency, "flush")
        self._calm_threads = ThreadPoolExecutor(concurrency, "flush-calm", partial(step_back, NICENESS))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._stopping = stopping
        self._running: dict[TenantStore, asyncio.Task[None]] = {}
        metrics.flushes.queue.set_function(lambda: len(self._running))

    def notice(self, tenant_store: TenantStore) -> None:
        """Rows came in; any thread. Wakes the loop when that is worth a look."""
        size = tenant_store.head_size()
        is_full = size.bytes >= self._policy.flush_bytes and not size.frozen_bytes
        if self._loop is not None and (is_full or self._store.head_bytes() * 2 >= self._policy.head_max_bytes):
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Flush what the policy names, until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            for tenant_store in self._store.tenants():
                if tenant_store.unflushed():
                    self._start(tenant_store, FlushReason.FORCED)
            now_s = self._clock.monotonic_s()
            heads = {head.tenant: head for head in self._facts()}
            for decision in plan_flushes(list(heads.values()), self._policy, now_s):
                calm = is_calm(decision, heads[decision.tenant], now_s)
                self._start(self._store.tenant(decision.tenant), decision.reason, calm=calm)
            # It waits for appends under way, and so for the disk.
            await asyncio.to_thread(self._settle)
            try:
                await asyncio.wait_for(self._wake.wait(), self._check_period_s)
            except TimeoutError:
                continue

    def _settle(self) -> None:
        for tenant_store in self._store.tenants():
            tenant_store.settle()

    async def flush_all(self, within_s: float | None = None) -> int:
        """Flush every row that is here now; of how many tenants some are not in committed segments when it returns.

        It returns when they are, whatever it takes, or after a while. What was begun then goes on. The same again adds
        nothing to it.
        """
        begun = [
            asyncio.create_task(self._flush_tenant(tenant_store))
            for tenant_store in self._store.tenants()
            # Of many tenants most have nothing to flush.
            if tenant_store in self._running or tenant_store.head_size().rows or tenant_store.unflushed()
        ]
        if not begun:
            return 0
        try:
            done, pending = await asyncio.wait(begun, timeout=within_s)
        finally:
            # Who waits is cancelled, never a flush: that would go on beside the next one of its tenant.
            for waiting in begun:
                waiting.cancel()
        return len(pending) + sum(not task.result() for task in done)

    async def _flush_tenant(self, tenant_store: TenantStore) -> bool:
        """Flush a tenant's rows after the flush that is under way, which may not have all; whether none are left."""
        running = self._running.get(tenant_store)
        if running is not None:
            await asyncio.wait((running,))
        if tenant_store.head_size().rows or tenant_store.unflushed():
            await asyncio.wait((self._start(tenant_store, FlushReason.FORCED),))
        return not tenant_store.unflushed()

    async def stop(self, *, flush: bool) -> bool:
        """End the flushes under way, with one attempt for all rows where `flush`; whether nothing is left in memory.

        `stopping` must have been set.
        """
        await asyncio.gather(*list(self._running.values()), return_exceptions=True)
        stores = self._store.tenants() if flush else []
        loop = asyncio.get_running_loop()
        attempts = [
            loop.run_in_executor(self._threads, self._flush_rows, tenant_store, FlushReason.FORCED)
            for tenant_store in stores
        ]
        done = await asyncio.gather(*attempts)
        self._threads.shutdown()
        self._calm_threads.shutdown()
        return flush and all(done)

    def flush_now(self, tenant_store: TenantStore) -> None:
        """Flush a tenant's oldest rows, before `run`: replay makes room so. Tries until it succeeds.

        Raises Unavailable where the server stops meanwhile.
        """
        oldest = next(iter(tenant_store.unflushed()), None) or tenant_store.freeze(in_haste=True)
        # Nobody is served yet, and somebody waits for the start.
        threads = os.cpu_count() or 1
        if oldest is not None and not self._flush(tenant_store, oldest, FlushReason.FULL, threads):
            raise Unavailable("the server is stopping")

    def _facts(self) -> list[HeadFacts]:
        facts: list[HeadFacts] = []
        for tenant_store in self._store.tenants():
            size = tenant_store.head_size()
            facts.append(
                HeadFacts(
                    tenant=tenant_store.tenant,
                    bytes=size.bytes,
                    flushing_bytes=size.frozen_bytes or (1 if tenant_store in self._running else 0),
                    rows=size.rows,
                    first_row_s=size.first_row_s,
                    last_row_s=size.last_row_s,
                )
            )
        return facts

    def _start(self, tenant_store: TenantStore, reason: FlushReason, *, calm: bool = False) -> asyncio.Task[None]:
        """Begin a flush, unless one of the tenant is under way; that which is."""
        task = self._running.get(tenant_store)
        if task is None:
            threads = self._calm_threads if calm else self._threads
            task = asyncio.create_task(self._flush_on_thread(threads, tenant_store, reason))
            self._running[tenant_store] = task
        return task

    async def _flush_on_thread(
        self, threads: ThreadPoolExecutor, tenant_store: TenantStore, reason: FlushReason
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(threads, self._flush_rows, tenant_store, reason)
            self._wake.set()
        except Exception:  # noqa: BLE001 - the top of a task: a bug is logged, the next look in time tries again
            _log.exception("flush ended unexpectedly", tenant=str(tenant_store.tenant))
        finally:
            del self._running[tenant_store]

    def _flush_rows(self, tenant_store: TenantStore, reason: FlushReason) -> bool:
        """Flush what was left from before and what is in the head; whether nothing of it is left."""
        left = tenant_store.unflushed()
        fresh = tenant_store.freeze(in_haste=reason is FlushReason.PRESSURE)
        generations = [*left, fresh] if fresh is not None else left
        return all(self._flush(tenant_store, generation, reason) for generation in generations)

    def _flush(self, tenant_store: TenantStore, generation: Generation, reason: FlushReason, threads: int = 1) -> bool:
        """Flush until it succeeds, or until the server stops."""
        done: dict[int, Committed] = {}
        wait_s = RETRY_FIRST_S
        while True:
            begun_s = self._clock.monotonic_s()
            try:
                written_bytes = self._store.writer.flush(tenant_store, generation, done, threads=threads)
            except (LodurError, OSError) as error:
                self._metrics.flushes.failures.inc()
                _log.error("flush failed", tenant=str(tenant_store.tenant), retry_in_s=wait_s, err=str(error))
                if self._stopping.wait(wait_s):
                    return False
                wait_s = min(wait_s * 2, RETRY_MAX_S)
                continue
            seconds = self._clock.monotonic_s() - begun_s
            tenant_store.flushed(generation, done)
            self._count(tenant_store, generation, reason, written_bytes, seconds)
            self._trim()
            if reason not in (FlushReason.FULL, FlushReason.PRESSURE):
                self._when_quiet()
            return True

    def _count(
        self, tenant_store: TenantStore, generation: Generation, reason: FlushReason, written_bytes: int, seconds: float
    ) -> None:
        raw_bytes = generation.head_bytes
        self._metrics.flushes.count(
            Flushed(
                tenant=tenant_store.tenant.value,
                reason=reason.value,
                rows=generation.frozen.rows,
                raw_bytes=raw_bytes,
                written_bytes=written_bytes,
                fill_ratio=raw_bytes / self._policy.flush_bytes,
                age_s=(self._clock.now_ns() - generation.accepted_from_ns) / NS_PER_S,
                took_s=seconds,
            )
        )
        _log.info(
            "flushed",
            tenant=str(tenant_store.tenant),
            reason=reason.value,
            rows=generation.frozen.rows,
            raw_bytes=raw_bytes,
            segment_bytes=written_bytes,
            seconds=round(seconds, 3),
        )

    def _trim(self) -> None:
        try:
            self._store.trim_wal()
        except (LodurError, OSError) as error:
            _log.warning("write-ahead log was not trimmed", err=str(error))
