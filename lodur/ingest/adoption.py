"""Bring the rows of one ended log into segments, some objects at a time, so that memory is bounded.

Start at `Adoption.run`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import structlog

from lodur.ingest.record_decoding import RecordDecoder
from lodur.model.clock import Clock
from lodur.model.errors import LodurError
from lodur.model.tenant import TenantId
from lodur.store.journal import NOTICE, WalRecord
from lodur.store.object_store import ObjectStore
from lodur.store.object_wal.adopted_rows import AdoptedRows, AdoptionLost
from lodur.store.object_wal.lease import Lease, LeaseState, StoredLease, write_lease
from lodur.store.object_wal.names import object_path
from lodur.store.object_wal.reading import read_object
from lodur.store.store import Store
from lodur.telemetry.object_wal_metrics import ObjectWalMetrics

BEATS_PER_LEASE = 3

DAMAGED_MAX = 1000
"""Damaged objects of one log that are kept: their numbers stand in its lease."""

_log = structlog.get_logger(__name__)


class Adoption:
    """One adoption; the lease is held. Blocks. `check_place` raises Unavailable for a store that is away."""

    def __init__(
        self,
        store: Store,
        log_store: ObjectStore,
        writer_id: str,
        lease: StoredLease,
        *,
        decoder: RecordDecoder,
        check_place: Callable[[ObjectStore], None],
        flush_bytes: int,
        lease_s: float,
        stopped: threading.Event,
        clock: Clock,
        metrics: ObjectWalMetrics,
    ) -> None:
        self._log_store = log_store
        self._writer_id = writer_id
        self._lease = lease
        self._decoder = decoder
        self._flush_bytes = flush_bytes
        self._beat_s = lease_s / BEATS_PER_LEASE
        self._stopped = stopped
        self._clock = clock
        self._metrics = metrics
        self._beaten_s = clock.monotonic_s()
        self._rows = AdoptedRows(store, writer_id, check_place)
        self._up_to_seq = 0
        self.objects = 0
        self.rows = 0

    def run(self, end_number: int) -> None:
        """Flush all rows before the object that ends the log, then say so in the lease.

        Raises AdoptionLost, and as `ObjectStore`.
        """
        self._say(replace(self._lease.lease, end_number=end_number))
        for number in range(self._lease.lease.first_number, end_number):
            self._go_on()
            found = read_object(self._log_store, self._writer_id, number)
            if found is None:
                # Trimmed: its rows were in committed segments.
                continue
            self.objects += 1
            # All records are taken, whatever is wrong with others.
            are_read = [self._take(record) for record in found.records]
            if found.is_damaged or not all(are_read):
                self._note_damage(number)
            if self._rows.bytes() >= self._flush_bytes:
                self._flush()
        self._flush()
        self._say(replace(self._lease.lease, state=LeaseState.ADOPTED))

    def _take(self, record: WalRecord) -> bool:
        """Whether the record can be read."""
        self._up_to_seq = record.seq
        if record.kind == NOTICE:
            return True
        try:
            tenant = TenantId(record.tenant)
            push, _ = self._decoder.decode(tenant, record)
        except LodurError as error:
            _log.error("record of a write-ahead log cannot be read", file=str(record.file), err=str(error))
            return False
        self._rows.take(tenant, push, record.seq, accepted_at_ns=record.accepted_at_ns)
        return True

    def _note_damage(self, number: int) -> None:
        """An object that could not be read whole stays for people."""
        self._metrics.damaged.inc()
        damaged = self._lease.lease.damaged_numbers
        if number in damaged:
            return
        if len(damaged) >= DAMAGED_MAX:
            path = object_path(self._writer_id, number)
            _log.error("damaged object of a write-ahead log will be deleted: too many are kept", file=path)
            return
        self._say(replace(self._lease.lease, damaged_numbers=(*damaged, number)))

    def _flush(self) -> None:
        for rows in self._rows.flush(self._up_to_seq):
            self.rows += rows
            self._metrics.adopted_rows.inc(rows)
            self._go_on()

    def _go_on(self) -> None:
        """Keep the lease. Raises AdoptionLost where it is another's by now, or the server stops."""
        if self._stopped.is_set():
            raise AdoptionLost("the server is stopping")
        if self._clock.monotonic_s() - self._beaten_s >= self._beat_s:
            self._say(self._lease.lease)

    def _say(self, lease: Lease) -> None:
        self._beaten_s = self._clock.monotonic_s()
        said = replace(lease, beat=lease.beat + 1, said_at_ns=self._clock.now_ns())
        written = write_lease(self._log_store, self._writer_id, said, self._lease)
        if written is None:
            raise AdoptionLost("another process has taken the lease")
        self._lease = written
