"""Follow the object WALs of other processes, so that their rows are seen here before they are in segments.

Numbers of objects have no gaps, so the next object of each writer is asked for by its name until there is none; lists
are for writers that are new. A record without rows tells which manifests its writer has committed; these are read then,
and the rows that they cover are dropped. Start at `Follower.run`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import msgspec
import structlog

from lodur.ingest.recent_pushes import RecentPushes
from lodur.ingest.record_decoding import RecordDecoder
from lodur.ingest.record_kinds import REENCODED
from lodur.ingest.tenant_states import IngestLimitsOf
from lodur.model.clock import Clock
from lodur.model.errors import CorruptData, LodurError
from lodur.model.tenant import TenantId
from lodur.store.days import parse_day_name
from lodur.store.foreign_rows import ForeignRecord
from lodur.store.journal import NOTICE, WalRecord
from lodur.store.object_store import ObjectStore
from lodur.store.object_stores import ObjectStores
from lodur.store.object_wal.lease import LeaseState, read_lease
from lodur.store.object_wal.names import FIRST_NUMBER, LEASES, lease_writer
from lodur.store.object_wal.options import ObjectWalOptions
from lodur.store.object_wal.reading import ReadObject, listed_numbers, read_object
from lodur.store.store import Store
from lodur.telemetry.object_wal_metrics import ObjectWalMetrics
from lodur.wire.push_body import DecodedPush

LIST_EVERY_S = 1.0
"""How often new writers are looked for: the rows of a new one must be seen within two seconds."""

LEASE_LOOK_S = 10.0
"""After so long without an object of a writer its lease is asked whether that can be."""

ENDED_LOOK_S = 2.0
"""How often the manifests are read that an adopted log's rows go to."""

READ_AHEAD = 16
"""Objects fetched at a time where many are waiting."""

TOO_MUCH = "rows that other processes have not flushed yet take more than lodur.object_wal.follow_max_bytes here"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Followed:
    """A writer's log, as far as it was read."""

    writer_id: str
    store: ObjectStore
    next_number: int
    listed_number: int = 0
    """The last one that was there when it was listed."""
    looked_s: float = 0.0
    """When it last gave something, or its lease was asked."""
    is_ended: bool = False
    tenants: set[TenantId] = field(default_factory=set)
    """That have had rows in it, and may have them still."""


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
        self._stores = stores
        self._options = options
        self._decoder = RecordDecoder(limits_of)
        self._own_id = own_id
        self._recent = recent
        self._on_rows = on_rows
        self._clock = clock
        self._metrics = metrics
        self._followed: dict[str, _Followed] = {}
        self._finished: set[str] = set()
        """Logs of which all rows are in segments that are known here."""
        self._listed_s = float("-inf")
        self._ended_looked_s = float("-inf")
        self._must_reload = False
        self._stopped = threading.Event()
        self._threads = ThreadPoolExecutor(READ_AHEAD, "wal-read")

    async def run(self) -> None:
        """Follow until stopped; failures are logged and tried again."""
        while not self._stopped.is_set():
            await asyncio.to_thread(self._try_poll)
            await asyncio.to_thread(self._stopped.wait, self._options.follow_interval_s)

    def stop(self) -> None:
        """Let `run` return; any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Wait for threads; `run` has returned."""
        self._threads.shutdown()

    def begin(self) -> None:
        """Note which logs there are, before the manifests are read: what is trimmed later is in these.

        Raises as `ObjectStore`.
        """
        self._list_writers()
        self._must_reload = False

    def poll(self) -> None:
        """Take in what is new. Raises as `ObjectStore`, and CorruptData for a manifest."""
        now_s = self._clock.monotonic_s()
        if now_s - self._listed_s >= LIST_EVERY_S:
            self._list_writers()
        for followed in list(self._followed.values()):
            self._advance(followed)
        if self._must_reload:
            self._store.discover(all_days=True)
            self._must_reload = False
        if now_s - self._ended_looked_s >= ENDED_LOOK_S:
            self._ended_looked_s = now_s
            self._look_at_ended()
        held_bytes = self._store.foreign_bytes()
        self._metrics.writers.set(len(self._followed))
        self._metrics.followed_bytes.set(held_bytes)
        self._store.refusal = TOO_MUCH if held_bytes > self._options.follow_max_bytes else ""

    def _try_poll(self) -> None:
        try:
            self.poll()
        except LodurError as error:
            self._metrics.follow_failures.inc()
            _log.warning("write-ahead logs of other processes cannot be followed, trying again", err=str(error))
        except Exception:  # noqa: BLE001 - the top of a task: a bug is logged, the next look tries again
            self._metrics.follow_failures.inc()
            _log.exception("following ended unexpectedly, trying again")

    def _list_writers(self) -> None:
        listed: set[str] = set()
        for store in self._stores.each():
            writers = {lease_writer(one.path) for one in store.list_objects(LEASES)} - {None, self._own_id}
            for writer_id in sorted(writer for writer in writers if writer is not None):
                listed.add(writer_id)
                if writer_id not in self._followed and writer_id not in self._finished:
                    self._begin_writer(store, writer_id)
        self._finished &= listed
        self._listed_s = self._clock.monotonic_s()

    def _begin_writer(self, store: ObjectStore, writer_id: str) -> None:
        found = read_lease(store, writer_id)
        if found is None or found.lease.state is LeaseState.DONE:
            # Whoever loads manifests after this sees its rows; who has loaded them before must look again.
            self._must_reload = True
            self._finished.add(writer_id)
            return
        # What the listing begins with may be gone by now, or have others before it that are on their way still.
        first = found.lease.first_number
        if first > FIRST_NUMBER:
            self._must_reload = True
        listed_number = max(listed_numbers(store, writer_id), default=0)
        self._followed[writer_id] = _Followed(writer_id, store, first, listed_number, self._clock.monotonic_s())

    def _advance(self, followed: _Followed) -> None:
        """Read on until there is nothing more."""
        while not followed.is_ended and not self._stopped.is_set():
            is_behind = followed.next_number < followed.listed_number
            count = min(READ_AHEAD, followed.listed_number - followed.next_number + 1) if is_behind else 1
            numbers = range(followed.next_number, followed.next_number + count)
            read = partial(read_object, followed.store, followed.writer_id)
            objects = list(self._threads.map(read, numbers)) if count > 1 else [read(followed.next_number)]
            for number, found in zip(numbers, objects, strict=True):
                if found is None:
                    if not self._has_jumped(followed):
                        return
                    break
                self._take(followed, found)
                if followed.is_ended:
                    return
                followed.next_number = number + 1

    def _has_jumped(self, followed: _Followed) -> bool:
        """Whether the next object is deleted, and there are others behind it, where reading goes on then.

        One with others behind it may also be on its way still: the lease tells.
        """
        now_s = self._clock.monotonic_s()
        if followed.next_number > followed.listed_number and now_s - followed.looked_s < LEASE_LOOK_S:
            return False
        found = read_lease(followed.store, followed.writer_id)
        followed.looked_s = now_s
        if found is None or found.lease.state in (LeaseState.ADOPTED, LeaseState.DONE):
            # Also the end was there before: all rows are in segments.
            followed.is_ended = self._must_reload = True
        elif found.lease.first_number > followed.next_number:
            followed.next_number = found.lease.first_number
            self._must_reload = True
            return True
        return False

    def _take(self, followed: _Followed, found: ReadObject) -> None:
        followed.looked_s = self._clock.monotonic_s()
        followed.is_ended = found.is_end
        if found.is_damaged:
            self._metrics.damaged.inc()
        if found.is_end:
            _log.info("write-ahead log of another process has ended", writer=followed.writer_id)
            return
        for record in found.records:
            self._metrics.followed_records.inc()
            if record.kind == NOTICE:
                self._refresh(TenantId(record.tenant), _days_of(record))
            else:
                self._show(followed, record)

    def _show(self, followed: _Followed, record: WalRecord) -> None:
        try:
            tenant = TenantId(record.tenant)
            push, kept = self._decoder.decode(tenant, record)
        except LodurError as error:
            self._report(record, error)
            return
        # Whether later requests have taken it, its own process alone knows.
        if record.kind != REENCODED and not self._store.deletes_through(tenant, record.accepted_at_ns):
            self._recent.remember(tenant, record.kind, kept.body)
        decode = partial(_decoded, self._decoder, tenant, record)
        foreign = ForeignRecord(record.seq, tuple(push.days()), record.accepted_at_ns, decode)
        if self._store.follow(tenant, followed.writer_id, foreign, push):
            followed.tenants.add(tenant)
            self._on_rows(tenant, push)

    def _refresh(self, tenant: TenantId, days: list[int]) -> None:
        tenant_store = self._store.tenant(tenant)
        for day in days:
            try:
                self._store.refresh(tenant_store, day)
            except CorruptData as error:
                # Of one tenant's day; the others' rows are to be seen all the same.
                _log.error("manifest cannot be read", tenant=str(tenant), err=str(error))

    def _look_at_ended(self) -> None:
        """Read the manifests that rows of adopted logs go to; let go of a log when all of them are there."""
        for followed in [one for one in self._followed.values() if one.is_ended]:
            for tenant in sorted(followed.tenants):
                days = self._store.tenant(tenant).foreign_days(followed.writer_id)
                self._refresh(tenant, days)
                if not self._store.tenant(tenant).foreign_days(followed.writer_id):
                    followed.tenants.discard(tenant)
            if not followed.tenants:
                del self._followed[followed.writer_id]
                self._finished.add(followed.writer_id)

    def _report(self, record: WalRecord, error: LodurError) -> None:
        self._metrics.damaged.inc()
        _log.error(
            "record of another process's write-ahead log cannot be read, it is left out",
            file=str(record.file),
            offset=record.offset,
            tenant=record.tenant,
            err=str(error),
        )


def _decoded(decoder: RecordDecoder, tenant: TenantId, record: WalRecord) -> DecodedPush:
    return decoder.decode(tenant, record)[0]


def _days_of(record: WalRecord) -> list[int]:
    try:
        names = _DAY_NAMES.decode(record.payload)
    except msgspec.DecodeError:
        return []
    return [day for day in map(parse_day_name, names) if day is not None]


# Made here, once: several threads that each make one of the same type at the same time crash msgspec.
_DAY_NAMES = msgspec.json.Decoder(list[str])
