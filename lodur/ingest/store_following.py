"""Follow the object WALs of other processes that lie in one object store, and read the manifests that lie there.

Numbers of objects have no gaps, so the next object of each writer is asked for by its name until there is none; lists
are for writers that are new. A record without rows tells which manifests its writer has committed; these are read then,
and the rows that they cover are dropped. No other store is asked anything: manifests that lie elsewhere are noted for
whoever looks there. Start at `StoreFollower.look`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import msgspec
import structlog

from lodur.ingest.recent_pushes import RecentPushes
from lodur.ingest.record_decoding import RecordDecoder
from lodur.ingest.record_kinds import REENCODED
from lodur.model.clock import Clock
from lodur.model.errors import CorruptData, LodurError
from lodur.model.tenant import TenantId
from lodur.store.days import parse_day_name
from lodur.store.foreign_rows import ForeignRecord
from lodur.store.journal import NOTICE, WalRecord
from lodur.store.object_store import ObjectStore
from lodur.store.object_wal.lease import LeaseState, read_lease
from lodur.store.object_wal.names import FIRST_NUMBER, LEASES, lease_writer
from lodur.store.object_wal.reading import ReadObject, listed_numbers, read_object
from lodur.store.store import Store
from lodur.store.unread_manifests import Day, Place, UnreadManifests
from lodur.telemetry.object_wal_metrics import ObjectWalMetrics
from lodur.telemetry.repeated_failures import RepeatedFailures
from lodur.wire.push_body import DecodedPush

LIST_EVERY_S = 1.0
"""How often new writers are looked for: the rows of a new one must be seen within two seconds."""

LEASE_LOOK_S = 10.0
"""After so long without an object of a writer its lease is asked whether that can be."""

ENDED_LOOK_S = 2.0
"""How often the manifests are read that an adopted log's rows go to, and those that could not be made sense of."""

REFUSED_AT_A_TIME = 16
"""So many of the latter, however many there are: the logs must not wait for them."""

READ_AHEAD = 16
"""Objects fetched at a time where many are waiting."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Followed:
    """A writer's log, as far as it was read."""

    writer_id: str
    next_number: int
    listed_number: int = 0
    """The last one that was there when it was listed."""
    looked_s: float = 0.0
    """When it last gave something, or its lease was asked."""
    is_ended: bool = False
    tenants: set[TenantId] = field(default_factory=set)
    """That have had rows in it, and may have them still."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is done with rows of others, beside showing them."""

    decoder: RecordDecoder
    recent: RecentPushes
    on_rows: Callable[[TenantId, DecodedPush], None]


class StoreFollower:
    """The logs and manifests in one store. All methods but `age_s` block, and are for one thread at a time."""

    def __init__(
        self,
        objects: ObjectStore,
        name: str,
        store: Store,
        unread: UnreadManifests,
        shown: Shown,
        *,
        own_id: str,
        stopped: threading.Event,
        clock: Clock,
        metrics: ObjectWalMetrics,
    ) -> None:
        self.name = name
        """Of the object store, for people."""
        self._objects = objects
        self._store = store
        self._unread = unread
        self._shown = shown
        self._own_id = own_id
        self._stopped = stopped
        self._clock = clock
        self._metrics = metrics
        self._followed: dict[str, _Followed] = {}
        self._finished: set[str] = set()
        """Logs of which all rows are in segments that are known here."""
        self._listed_s = float("-inf")
        self._ended_looked_s = float("-inf")
        self._looked_s = clock.monotonic_s()
        self._failures = RepeatedFailures()
        self._refused: dict[str | Day, CorruptData] = {}
        """What cannot be made sense of, a writer's log or a manifest, in the order in which it was tried."""
        self._threads = ThreadPoolExecutor(READ_AHEAD, "wal-read")

    @property
    def writers(self) -> int:
        """How many logs are followed."""
        return len(self._followed)

    def age_s(self) -> float:
        """Since the last look that did not fail."""
        return self._clock.monotonic_s() - self._looked_s

    def close(self) -> None:
        """Wait for threads; nobody looks any more."""
        self._threads.shutdown()

    def try_look(self) -> None:
        """Look once; a failure is counted, and logged where it is another than that of the look before."""
        try:
            self.look()
        except Exception as error:  # noqa: BLE001 - the top of a task: a bug is logged, the next look tries again
            self._failed(error)
        else:
            if self._failures.is_over(self.name):
                _log.info("write-ahead logs of other processes are followed again", object_store=self.name)

    def look(self) -> None:
        """Take in what is new in the logs and manifests of this store. Raises as `ObjectStore`, and CorruptData."""
        self.read_logs()
        self.read_manifests()
        self.raise_refused()
        self._looked_s = self._clock.monotonic_s()

    def list_writers(self) -> None:
        """Look for logs that are new. Raises as `ObjectStore`."""
        listed = {lease_writer(one.path) for one in self._objects.list_objects(LEASES)} - {None, self._own_id}
        writers = sorted(writer for writer in listed if writer is not None)
        for writer_id in writers:
            if writer_id not in self._followed and writer_id not in self._finished:
                with self._beside_others(writer_id):
                    self._begin_writer(writer_id)
        for gone in [one for one in self._refused if isinstance(one, str) and one not in listed]:
            del self._refused[gone]
        self._finished &= set(writers)
        self._listed_s = self._clock.monotonic_s()

    def read_logs(self) -> None:
        """Show the rows of others that are new, and note which manifests they say to be committed.

        Raises as `ObjectStore`.
        """
        now_s = self._clock.monotonic_s()
        if now_s - self._listed_s >= LIST_EVERY_S:
            self.list_writers()
        for followed in list(self._followed.values()):
            with self._beside_others(followed.writer_id):
                self._advance(followed)
        if now_s - self._ended_looked_s >= ENDED_LOOK_S:
            self._ended_looked_s = now_s
            for followed in self._ended():
                for tenant in followed.tenants:
                    self._unread.note(tenant, self._store.tenant(tenant).foreign_days(followed.writer_id))
            refused = [found for found in self._refused if not isinstance(found, str)]
            for tenant, day in refused[:REFUSED_AT_A_TIME]:
                self._unread.note(tenant, [day])

    def read_manifests(self) -> None:
        """Read the manifests in this store of which somebody has learned that they are others by now.

        Raises as `ObjectStore`.
        """
        asked = self._unread.all_asked(self._objects)
        if asked is not None:
            self._read_all_days(asked)
        self._read_days()
        for followed in self._ended():
            for tenant in list(followed.tenants):
                if not self._store.tenant(tenant).foreign_days(followed.writer_id):
                    followed.tenants.discard(tenant)
            if not followed.tenants:
                del self._followed[followed.writer_id]
                self._finished.add(followed.writer_id)

    def raise_refused(self, tenant: TenantId | None = None) -> None:
        """Raise CorruptData for the first of what cannot be made sense of; not for manifests of others than `tenant`,
        where one is given."""
        for place, error in self._refused.items():
            if tenant is None or not isinstance(place, tuple) or place[0] == tenant:
                raise error

    @contextmanager
    def _beside_others(self, place: str | Day) -> Iterator[None]:
        """Around what is done for one log or manifest: what it says must not keep the others from being seen."""
        try:
            yield
        except CorruptData as error:
            before = self._refused.pop(place, None)
            self._refused[place] = error
            if before is None or str(before) != str(error):
                _log.error(
                    "part of what other processes have written cannot be read, trying again",
                    object_store=self.name,
                    err=str(error),
                )
        else:
            self._refused.pop(place, None)

    def _failed(self, error: Exception) -> None:
        self._metrics.follow_failures.labels(self.name).inc()
        # What cannot be made sense of is told when it is met, each for itself.
        if not self._failures.is_new(self.name, error) or isinstance(error, CorruptData):
            return
        log = _log.bind(object_store=self.name)
        if not isinstance(error, LodurError):
            log.error("following ended unexpectedly, trying again", exc_info=error)
        else:
            log.warning("write-ahead logs of other processes cannot be followed, trying again", err=str(error))

    def _ended(self) -> list[_Followed]:
        return [one for one in self._followed.values() if one.is_ended]

    def _read_all_days(self, asked: int) -> None:
        """Go on where the last attempt has ended: a store that fails now and then is read to the end too."""
        try:
            if not self._unread.is_begun(self._objects, asked):
                self._unread.begin_all(self._objects, asked, self._store.tenants_in([self._objects]))
            while left := self._unread.left(self._objects):
                for place in left:
                    self._read_place(place)
        except BaseException:
            self._unread.all_failed(self._objects)
            raise
        self._unread.all_read(self._objects, asked)

    def _read_place(self, place: Place) -> None:
        tenant, day = place
        try:
            if day is None:
                self._unread.listed(self._objects, tenant, self._store.days_in(self._objects, tenant))
                return
            with self._beside_others((tenant, day)):
                try:
                    self._read_day(tenant, day)
                except CorruptData:
                    self._unread.one_refused(self._objects, tenant, day)
                    raise
        except BaseException:
            self._unread.one_failed(self._objects, place)
            raise

    def _read_day(self, tenant: TenantId, day: int) -> None:
        self._store.read_day(tenant, day)
        self._unread.one_read(self._objects, tenant, day)

    def _read_days(self) -> None:
        while (found := self._unread.take_day(self._objects)) is not None:
            tenant, day = found
            try:
                with self._beside_others(found):
                    self._read_day(tenant, day)
            except BaseException:
                self._unread.note(tenant, [day])
                raise

    def _begin_writer(self, writer_id: str) -> None:
        found = read_lease(self._objects, writer_id)
        if found is None or found.lease.state is LeaseState.DONE:
            # Whoever loads manifests after this sees its rows; who has loaded them before must look again.
            self._unread.note_all()
            self._finished.add(writer_id)
            return
        # What the listing begins with may be gone by now, or have others before it that are on their way still.
        first = found.lease.first_number
        if first > FIRST_NUMBER:
            self._unread.note_all()
        listed_number = max(listed_numbers(self._objects, writer_id), default=0)
        self._followed[writer_id] = _Followed(writer_id, first, listed_number, self._clock.monotonic_s())

    def _advance(self, followed: _Followed) -> None:
        """Read on until there is nothing more."""
        while not followed.is_ended and not self._stopped.is_set():
            is_behind = followed.next_number < followed.listed_number
            count = min(READ_AHEAD, followed.listed_number - followed.next_number + 1) if is_behind else 1
            numbers = range(followed.next_number, followed.next_number + count)
            read = partial(read_object, self._objects, followed.writer_id)
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
                # What is in segments by now is let go of before more is held.
                self._read_days()

    def _has_jumped(self, followed: _Followed) -> bool:
        """Whether the next object is deleted, and there are others behind it, where reading goes on then.

        One with others behind it may also be on its way still: the lease tells.
        """
        now_s = self._clock.monotonic_s()
        if followed.next_number > followed.listed_number and now_s - followed.looked_s < LEASE_LOOK_S:
            return False
        found = read_lease(self._objects, followed.writer_id)
        followed.looked_s = now_s
        if found is None or found.lease.state in (LeaseState.ADOPTED, LeaseState.DONE):
            # Also the end was there before: all rows are in segments.
            followed.is_ended = True
            self._unread.note_all()
        elif found.lease.first_number > followed.next_number:
            _log.warning(
                "write-ahead log was trimmed before all of it was read here, all manifests are read anew",
                writer=followed.writer_id,
                objects=found.lease.first_number - followed.next_number,
            )
            followed.next_number = found.lease.first_number
            self._unread.note_all()
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
            try:
                if record.kind == NOTICE:
                    self._unread.note(TenantId(record.tenant), _days_of(record))
                else:
                    self._show(followed, record)
            except LodurError as error:
                self._report(record, error)
                if record.kind == NOTICE:
                    self._unread.note_all()

    def _show(self, followed: _Followed, record: WalRecord) -> None:
        """Raises as `RecordDecoder.decode` where it cannot be read."""
        tenant = TenantId(record.tenant)
        push, kept = self._shown.decoder.decode(tenant, record)
        # Whether later requests have taken it, its own process alone knows.
        if record.kind != REENCODED and not self._store.deletes_through(tenant, record.accepted_at_ns):
            self._shown.recent.remember(tenant, record.kind, kept.body)
        decode = partial(_decoded, self._shown.decoder, tenant, record)
        foreign = ForeignRecord(record.seq, tuple(push.days()), record.accepted_at_ns, decode)
        if self._store.follow(tenant, followed.writer_id, foreign, push):
            followed.tenants.add(tenant)
            self._shown.on_rows(tenant, push)

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
    """The days that a notice names. Raises CorruptData."""
    try:
        names = _DAY_NAMES.decode(record.payload)
    except msgspec.DecodeError as error:
        raise CorruptData(f"no notice of committed days: {error}") from error
    days = [parse_day_name(name) for name in names]
    if None in days:
        raise CorruptData(f"no notice of committed days: {names}")
    return [day for day in days if day is not None]


# Made here, once: several threads that each make one of the same type at the same time crash msgspec.
_DAY_NAMES = msgspec.json.Decoder(list[str])
