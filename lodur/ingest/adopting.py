"""Adopt the object WALs of dead writers: end them, bring their rows into segments, delete their objects.

Several processes may look for dead writers. A lease that has not changed for long is taken over by a conditional write;
then an object of the adopter at the first free number ends the log, and what lies before it is all that its writer can
ever have acknowledged. Every step can be cut off and made again by another: a commit names the records that it covers,
and fails where somebody else has covered some of them meanwhile. Start at `Adopter.run`; states of a lease are in
`lodur.store.object_wal.lease`, the reasons in docs/decisions/0005-object-wal.md.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import structlog

from lodur.ingest.adoption import Adoption
from lodur.ingest.record_decoding import RecordDecoder
from lodur.ingest.tenant_states import IngestLimitsOf
from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_HOUR
from lodur.model.errors import LodurError
from lodur.store.object_store import ListedObject, ObjectStore
from lodur.store.object_stores import ObjectStores
from lodur.store.object_wal.adopted_rows import AdoptionLost
from lodur.store.object_wal.ending import end_log
from lodur.store.object_wal.lease import Lease, LeaseState, StoredLease, read_lease, write_lease
from lodur.store.object_wal.names import LEASES, lease_path, lease_writer, object_path
from lodur.store.object_wal.options import ObjectWalOptions
from lodur.store.object_wal.reading import listed_numbers
from lodur.store.store import Store
from lodur.telemetry.object_wal_metrics import ObjectWalMetrics

LOOKS_PER_LEASE = 6
"""How often leases are read: a dead writer is noticed a sixth of a lease after that has run out."""

READERS_GRACE_S = 60.0
"""How long the objects of an adopted log stay for readers that have not seen its segments yet."""

DELETES_AT_ONCE = 8

DONE_KEPT_NS = 24 * NS_PER_HOUR
"""How long the object that ends a log stays: a writer that was stopped for so long has no client that waits still."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Seen:
    """A lease as it was last seen to change, by this process's monotonic clock.

    Forgotten when a look fails: a store that does not answer here does not take the signs of life of others either, and
    when it is back, they need a while to give one.
    """

    stored: StoredLease
    since_s: float


class Adopter:
    """`poll` blocks and is for one thread at a time; `run` belongs to the event loop, `stop` is for any thread."""

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
        self._store = store
        self._stores = stores
        self._decoder = RecordDecoder(limits_of)
        self._lease_s = options.lease_s
        self._own_id = own_id
        self._flush_bytes = flush_bytes
        self._clock = clock
        self._metrics = metrics
        self._seen: dict[str, _Seen] = {}
        self._unfinished: set[str] = set()
        """Logs that this process was about to adopt when others did something to them."""
        self._stopped = threading.Event()

    async def run(self) -> None:
        """Look for dead writers until stopped; failures are logged and tried again."""
        while not await asyncio.to_thread(self._stopped.wait, self._lease_s / LOOKS_PER_LEASE):
            await asyncio.to_thread(self._try_poll)

    def stop(self) -> None:
        """Break off what is under way and let `run` return."""
        self._stopped.set()

    def poll(self) -> None:
        """Look at all leases once, and do what is due. Raises as `ObjectStore` where they cannot be listed."""
        listed: set[str] = set()
        for store in self._stores.each():
            for one in self._listed_leases(store):
                writer_id = lease_writer(one.path)
                if writer_id is not None and writer_id != self._own_id:
                    listed.add(writer_id)
                    self._try_look(store, writer_id)
        self._seen = {writer_id: seen for writer_id, seen in self._seen.items() if writer_id in listed}

    def _listed_leases(self, store: ObjectStore) -> list[ListedObject]:
        try:
            return store.list_objects(LEASES)
        except LodurError:
            self._seen.clear()
            raise

    def _try_poll(self) -> None:
        try:
            self.poll()
        except LodurError as error:
            self._metrics.adoption_failures.inc()
            _log.warning("write-ahead logs of dead writers cannot be looked for, trying again", err=str(error))
        except Exception:  # noqa: BLE001 - the top of a task: a bug is logged, the next look tries again
            self._metrics.adoption_failures.inc()
            _log.exception("adoption ended unexpectedly, trying again")

    def _try_look(self, store: ObjectStore, writer_id: str) -> None:
        """A log that makes trouble must not keep others from being adopted."""
        try:
            self._look(store, writer_id)
        except LodurError as error:
            self._seen.pop(writer_id, None)
            self._metrics.adoption_failures.inc()
            _log.warning("write-ahead log is looked at again later", writer=writer_id, err=str(error))

    def _look(self, store: ObjectStore, writer_id: str) -> None:
        known = self._seen.get(writer_id)
        if known is not None and known.stored.lease.state is LeaseState.DONE:
            found: StoredLease | None = known.stored
        else:
            found = read_lease(store, writer_id)
        if found is None:
            return
        now_s = self._clock.monotonic_s()
        if known is None or known.stored.version != found.version:
            known = self._seen[writer_id] = _Seen(found, now_s)
        silent_s = now_s - known.since_s
        match found.lease.state:
            case LeaseState.CLOSED:
                self._adopt(store, writer_id, found)
            case LeaseState.LIVE | LeaseState.ADOPTING:
                if silent_s >= self._lease_s or writer_id in self._unfinished:
                    self._adopt(store, writer_id, found)
            case LeaseState.ADOPTED:
                if silent_s >= READERS_GRACE_S:
                    self._delete_objects(store, writer_id, found)
            case LeaseState.DONE:
                if self._clock.now_ns() - found.lease.said_at_ns >= DONE_KEPT_NS:
                    self._forget(store, writer_id, found.lease)

    def _adopt(self, store: ObjectStore, writer_id: str, found: StoredLease) -> None:
        lease = Lease(
            self._own_id,
            LeaseState.ADOPTING,
            epoch=found.lease.epoch + 1,
            first_number=found.lease.first_number,
            end_number=found.lease.end_number,
            said_at_ns=self._clock.now_ns(),
        )
        self._unfinished.discard(writer_id)
        taken = write_lease(store, writer_id, lease, found)
        if taken is None:
            return
        log = _log.bind(writer=writer_id)
        log.info("adopting the write-ahead log of a writer that is gone", epoch=lease.epoch)
        adoption = Adoption(
            self._store,
            store,
            writer_id,
            taken,
            decoder=self._decoder,
            flush_bytes=self._flush_bytes,
            lease_s=self._lease_s,
            stopped=self._stopped,
            clock=self._clock,
            metrics=self._metrics,
        )
        try:
            adoption.run(end_log(store, writer_id, by=self._own_id, first_number=lease.first_number))
        except AdoptionLost as error:
            log.info("adoption is left to another process, or begun anew", why=str(error))
            found_again = read_lease(store, writer_id)
            if found_again is not None and found_again.lease.owner == self._own_id:
                self._unfinished.add(writer_id)
            return
        self._metrics.adopted.inc()
        log.info("write-ahead log adopted", objects=adoption.objects, rows=adoption.rows)

    def _delete_objects(self, store: ObjectStore, writer_id: str, found: StoredLease) -> None:
        """Delete what was adopted; the end stays for a while."""
        self._delete_listed(store, writer_id, stays={found.lease.end_number, *found.lease.damaged_numbers})
        if not self._stopped.is_set():
            done = replace(found.lease, state=LeaseState.DONE, said_at_ns=self._clock.now_ns())
            write_lease(store, writer_id, done, found)

    def _delete_listed(self, store: ObjectStore, writer_id: str, *, stays: Collection[int]) -> None:
        numbers = [number for number in listed_numbers(store, writer_id) if number not in stays]
        with ThreadPoolExecutor(DELETES_AT_ONCE, "wal-delete") as threads:
            for deleted in [threads.submit(self._delete, store, object_path(writer_id, one)) for one in numbers]:
                deleted.result()

    def _delete(self, store: ObjectStore, path: str) -> None:
        if not self._stopped.is_set():
            store.delete(path)

    def _forget(self, store: ObjectStore, writer_id: str, lease: Lease) -> None:
        """Delete what is left of a writer that was done long ago, and segments that it never committed.

        What could not be read whole stays for people.
        """
        self._store.delete_orphans_of(writer_id)
        # Also what the listing before did not show yet.
        self._delete_listed(store, writer_id, stays=lease.damaged_numbers)
        if not self._stopped.is_set():
            store.delete(lease_path(writer_id))
            self._seen.pop(writer_id, None)
