"""Follow the object WALs of other processes, so that their rows are seen here before they are in segments.

Each object store has a thread of its own, which asks no other store: one that is away, or hangs, holds up what is read
from it and nothing else. What is done in a store is in `store_following`. Start at `Follower.run`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lodur.ingest.recent_pushes import RecentPushes
from lodur.ingest.record_decoding import RecordDecoder
from lodur.ingest.store_following import Shown, StoreFollower
from lodur.ingest.tenant_states import IngestLimitsOf
from lodur.model.clock import Clock
from lodur.model.errors import LodurError
from lodur.model.tenant import TenantId
from lodur.store.object_stores import ObjectStores
from lodur.store.object_wal.options import ObjectWalOptions
from lodur.store.store import Store
from lodur.store.unread_manifests import UnreadManifests
from lodur.telemetry.object_wal_metrics import ObjectWalMetrics
from lodur.wire.push_body import DecodedPush

TOO_MUCH = "rows that other processes have not flushed yet take more than lodur.object_wal.follow_max_bytes here"


class Follower:
    """`begin` and `poll` block, and are for one thread at a time; `run` belongs to the event loop."""

    def __init__(
        self,
        store: Store,
        stores: ObjectStores,
        limits_of: IngestLimitsOf,
        options: ObjectWalOptions,
        *,
        own_id: str,
        recent: RecentPushes,
        on_rows: Callable[[TenantId, DecodedPush], None],
        clock: Clock,
        metrics: ObjectWalMetrics,
    ) -> None:
        self._store = store
        self._options = options
        self._metrics = metrics
        self._stopped = threading.Event()
        self._unread = UnreadManifests(stores, clock)
        store.refusal_of_span = self._unread.refusal
        self._each = [
            StoreFollower(
                objects,
                stores.name_of(objects),
                store,
                self._unread,
                Shown(RecordDecoder(limits_of), recent, on_rows),
                own_id=own_id,
                stopped=self._stopped,
                clock=clock,
                metrics=metrics,
            )
            for objects in stores.each()
        ]
        self._threads = ThreadPoolExecutor(len(self._each), "follow")
        for one in self._each:
            metrics.follow_failures.labels(one.name)
            metrics.follow_age.labels(one.name).set_function(one.age_s)

    async def run(self) -> None:
        """Follow until stopped; failures are logged and tried again."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(self._threads, self._follow, one) for one in self._each))

    def stop(self) -> None:
        """Let `run` return; any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Wait for threads; `run` has returned."""
        self._threads.shutdown()
        for one in self._each:
            one.close()

    def begin(self) -> None:
        """Note which logs there are, before the manifests are read: what is trimmed later is in these.

        Raises as `ObjectStore`, and CorruptData for a lease.
        """
        for one in self._each:
            one.list_writers()
            one.raise_refused()
        self._unread.forget()

    def poll(self, tenant: TenantId | None = None) -> None:
        """Take in what is new. Raises as `ObjectStore`, and CorruptData for a lease or a manifest, after all else.

        Where a tenant is given, manifests of others are no failure.
        """
        errors: list[LodurError] = []
        raise_refused = partial(StoreFollower.raise_refused, tenant=tenant)
        for work in (StoreFollower.read_logs, StoreFollower.read_manifests, raise_refused):
            for one in self._each:
                try:
                    work(one)
                except LodurError as error:
                    errors.append(error)
        self._measure()
        if errors:
            raise errors[0]

    def _follow(self, one: StoreFollower) -> None:
        while not self._stopped.is_set():
            one.try_look()
            self._measure()
            self._stopped.wait(self._options.follow_interval_s)

    def _measure(self) -> None:
        held_bytes = self._store.foreign_bytes()
        self._metrics.writers.set(sum(one.writers for one in self._each))
        self._metrics.followed_bytes.set(held_bytes)
        self._store.refusal = TOO_MUCH if held_bytes > self._options.follow_max_bytes else ""
