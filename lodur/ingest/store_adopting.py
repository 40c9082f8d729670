"""Adopt the object WALs of dead writers that lie in one object store: end them, bring their rows into segments, delete
their objects.

Several processes may look for dead writers. A lease that has not changed for long is taken over by a conditional write;
then an object of the adopter at the first free number ends the log, and what lies before it is all that its writer can
ever have acknowledged. Every step can be cut off and made again by another: a commit names the records that it covers,
and fails where somebody else has covered some of them meanwhile. Start at `StoreAdopter.look`; states of a lease are in
`lodur.store.object_wal.lease`, the reasons in docs/decisions/0005-object-wal.md.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import structlog

from lodur.ingest.adoption import Adoption
from lodur.ingest.present_stores import PresentStores
from lodur.ingest.record_decoding import RecordDecoder
from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_HOUR
from lodur.model.errors import LodurError
from lodur.store.object_store import ListedObject, ObjectStore
from lodur.store.object_wal.adopted_rows import AdoptionLost
from lodur.store.object_wal.ending import end_log
from lodur.store.object_wal.lease import Lease, LeaseState, StoredLease, read_lease, write_lease
from lodur.store.object_wal.names import LEASES, lease_path, lease_writer, object_path
from lodur.store.object_wal.reading import listed_numbers
from lodur.store.store import Store
from lodur.telemetry.object_wal_metrics import ObjectWalMetrics
from lodur.telemetry.repeated_failures import RepeatedFailures

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


class StoreAdopter:
    """The logs in one store. All methods block, and are for one thread at a time."""

    def __init__(
        self,
        objects: ObjectStore,
        name: str,
        store: Store,
        present: PresentStores,
        decoder: RecordDecoder,
        *,
        own_id: str,
        lease_s: float,
        flush_bytes: int,
        stopped: threading.Event,
        clock: Clock,
        metrics: ObjectWalMetrics,
    ) -> None:
        self.name = name
        """Of the object store, for people."""
        self._objects = objects
        self._store = store
        self._present = present
        self._decoder = decoder
        self._own_id = own_id
        self._lease_s = lease_s
        self._flush_bytes = flush_bytes
        self._stopped = stopped
        self._clock = clock
        self._metrics = metrics
        self._seen: dict[str, _Seen] = {}
        self._unfinished: set[str] = set()
        """Logs that this process was about to adopt when others did something to them."""
        self._failures = RepeatedFailures()
        """Of the store, and of each log."""

    def try_look(self) -> None:
        """Look once; a failure is counted, and logged where it is another than that of the look before."""
        try:
            self.look()
        except Exception as error:  # noqa: BLE001 - the top of a task: a bug is logged, the next look tries again
            self._store_failed(error)
        else:
            if self._failures.is_over(self.name):
                _log.info("write-ahead logs of dead writers are looked for again", object_store=self.name)

    def look(self) -> None:
        """Look at all leases once, and do what is due. Raises as `ObjectStore` where they cannot be listed."""
        listed: set[str] = set()
        for one in self._listed_leases():
            writer_id = lease_writer(one.path)
            if writer_id is not None and writer_id != self._own_id:
                listed.add(writer_id)
                self._try_log(writer_id)
        self._seen = {writer_id: seen for writer_id, seen in self._seen.items() if writer_id in listed}
        self._failures.keep(listed | {self.name})

    def _listed_leases(self) -> list[ListedObject]:
        try:
            with self._present.asking(self._objects):
                return self._objects.list_objects(LEASES)
        except LodurError:
            self._seen.clear()
            raise

    def _try_log(self, writer_id: str) -> None:
        """A log that makes trouble must not keep others from being adopted."""
        try:
            is_waiting = self._look(writer_id)
        except (LodurError, OSError) as error:
            self._seen.pop(writer_id, None)
            self._metrics.adoption_failures.labels(self.name).inc()
            if self._failures.is_new(writer_id, error):
                _log.warning("write-ahead log is looked at again later", writer=writer_id, err=str(error))
        else:
            if not is_waiting:
                self._failures.is_over(writer_id)

    def _store_failed(self, error: Exception) -> None:
        self._metrics.adoption_failures.labels(self.name).inc()
        if not self._failures.is_new(self.name, error):
            return
        log = _log.bind(object_store=self.name)
        if isinstance(error, LodurError):
            log.warning("write-ahead logs of dead writers cannot be looked for, trying again", err=str(error))
        else:
            log.error("adoption ended unexpectedly, trying again", exc_info=error)

    def _look(self, writer_id: str) -> bool:
        """Do what is due for a log; whether something will be, and failed perhaps when it was tried last."""
        known = self._seen.get(writer_id)
        if known is not None and known.stored.lease.state is LeaseState.DONE:
            found: StoredLease | None = known.stored
        else:
            found = read_lease(self._objects, writer_id)
        if found is None:
            return False
        now_s = self._clock.monotonic_s()
        if known is None or known.stored.version != found.version:
            known = self._seen[writer_id] = _Seen(found, now_s)
        silent_s = now_s - known.since_s
        match found.lease.state:
            case LeaseState.CLOSED:
                self._adopt(writer_id, found)
            case LeaseState.LIVE | LeaseState.ADOPTING:
                if silent_s < self._lease_s and writer_id not in self._unfinished:
                    return found.lease.state is LeaseState.ADOPTING
                self._adopt(writer_id, found)
            case LeaseState.ADOPTED:
                if silent_s < READERS_GRACE_S:
                    return True
                self._delete_objects(writer_id, found)
            case LeaseState.DONE:
                if self._clock.now_ns() - found.lease.said_at_ns >= DONE_KEPT_NS:
                    self._forget(writer_id, found.lease)
        return False

    def _adopt(self, writer_id: str, found: StoredLease) -> None:
        lease = Lease(
            self._own_id,
            LeaseState.ADOPTING,
            epoch=found.lease.epoch + 1,
            first_number=found.lease.first_number,
            end_number=found.lease.end_number,
            said_at_ns=self._clock.now_ns(),
        )
        self._unfinished.discard(writer_id)
        taken = write_lease(self._objects, writer_id, lease, found)
        if taken is None:
            return
        log = _log.bind(writer=writer_id)
        log.info("adopting the write-ahead log of a writer that is gone", epoch=lease.epoch)
        adoption = Adoption(
            self._store,
            self._objects,
            writer_id,
            taken,
            decoder=self._decoder,
            check_place=self._present.check,
            flush_bytes=self._flush_bytes,
            lease_s=self._lease_s,
            stopped=self._stopped,
            clock=self._clock,
            metrics=self._metrics,
        )
        try:
            adoption.run(end_log(self._objects, writer_id, by=self._own_id, first_number=lease.first_number))
        except AdoptionLost as error:
            log.info("adoption is left to another process, or begun anew", why=str(error))
            found_again = read_lease(self._objects, writer_id)
            if found_again is not None and found_again.lease.owner == self._own_id:
                self._unfinished.add(writer_id)
            return
        self._metrics.adopted.inc()
        log.info("write-ahead log adopted", objects=adoption.objects, rows=adoption.rows)

    def _delete_objects(self, writer_id: str, found: StoredLease) -> None:
        """Delete what was adopted; the end stays for a while."""
        self._delete_listed(writer_id, stays={found.lease.end_number, *found.lease.damaged_numbers})
        if not self._stopped.is_set():
            done = replace(found.lease, state=LeaseState.DONE, said_at_ns=self._clock.now_ns())
            write_lease(self._objects, writer_id, done, found)

    def _delete_listed(self, writer_id: str, *, stays: Collection[int]) -> None:
        numbers = [number for number in listed_numbers(self._objects, writer_id) if number not in stays]
        with ThreadPoolExecutor(DELETES_AT_ONCE, "wal-delete") as threads:
            for deleted in [threads.submit(self._delete, object_path(writer_id, one)) for one in numbers]:
                deleted.result()

    def _delete(self, path: str) -> None:
        if not self._stopped.is_set():
            self._objects.delete(path)

    def _forget(self, writer_id: str, lease: Lease) -> None:
        """Delete what is left of a writer that was done long ago, and segments that it never committed.

        What could not be read whole stays for people.
        """
        self._present.check_all()
        self._store.delete_orphans_of(writer_id)
        # Also what the listing before did not show yet.
        self._delete_listed(writer_id, stays=lease.damaged_numbers)
        if not self._stopped.is_set():
            self._objects.delete(lease_path(writer_id))
            self._seen.pop(writer_id, None)
