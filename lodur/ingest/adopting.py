"""Adopt the object WALs of dead writers, wherever they lie.

Each object store has a thread of its own: one that is away, or hangs, keeps no log in the others from being adopted.
What is done in a store is in `store_adopting`. Start at `Adopter.run`.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from lodur.ingest.present_stores import PresentStores
from lodur.ingest.record_decoding import RecordDecoder
from lodur.ingest.store_adopting import StoreAdopter
from lodur.ingest.tenant_states import IngestLimitsOf
from lodur.model.clock import Clock
from lodur.model.errors import LodurError
from lodur.store.object_stores import ObjectStores
from lodur.store.object_wal.options import ObjectWalOptions
from lodur.store.store import Store
from lodur.telemetry.object_wal_metrics import ObjectWalMetrics

LOOKS_PER_LEASE = 6
"""How often leases are read: a dead writer is noticed a sixth of a lease after that has run out."""


class Adopter:
    """`poll` and `close` block, and `poll` is for one thread at a time; `run` belongs to the event loop, `stop` is for
    any thread."""

    def __init__(
        self,
        store: Store,
        stores: ObjectStores,
        limits_of: IngestLimitsOf,
        options: ObjectWalOptions,
        *,
        own_id: str,
        flush_bytes: int,
        clock: Clock,
        metrics: ObjectWalMetrics,
    ) -> None:
        self._period_s = options.lease_s / LOOKS_PER_LEASE
        self._stopped = threading.Event()
        present = PresentStores(stores, clock)
        self._each = [
            StoreAdopter(
                objects,
                stores.name_of(objects),
                store,
                present,
                RecordDecoder(limits_of),
                own_id=own_id,
                lease_s=options.lease_s,
                flush_bytes=flush_bytes,
                stopped=self._stopped,
                clock=clock,
                metrics=metrics,
            )
            for objects in stores.each()
        ]
        self._threads = ThreadPoolExecutor(len(self._each), "adopt")
        for one in self._each:
            metrics.adoption_failures.labels(one.name)

    async def run(self) -> None:
        """Look for dead writers until stopped; failures are logged and tried again."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(self._threads, self._look_for_ever, one) for one in self._each))

    def stop(self) -> None:
        """Break off what is under way and let `run` return."""
        self._stopped.set()

    def close(self) -> None:
        """Wait for threads; `run` has returned."""
        self._threads.shutdown()

    def poll(self) -> None:
        """Look at all leases once, and do what is due. Raises as `ObjectStore` where some cannot be listed, after all
        else."""
        errors: list[LodurError] = []
        for one in self._each:
            try:
                one.look()
            except LodurError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _look_for_ever(self, one: StoreAdopter) -> None:
        while not self._stopped.wait(self._period_s):
            one.try_look()
