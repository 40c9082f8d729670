"""The object WAL: accepted pushes of all tenants, in the object store before they are answered.

One object for each group of pushes, numbered without gaps, written only where there is none; so whoever puts an object
of its own at the next number ends the log, and the writer finds that out before it acknowledges anything more. Start at
`ObjectWal.append`; the threads that send are started by `start`. Format: docs/formats/object-wal.md, why it is so:
docs/decisions/0005-object-wal.md.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import msgspec
import structlog

from lodur.kernels.wal import WalProblem, WalRecord, encode_wal_object
from lodur.model.clock import Clock
from lodur.model.errors import LodurError, Unavailable
from lodur.store.days import day_name
from lodur.store.journal import NOTICE
from lodur.store.object_store import ObjectStore
from lodur.store.object_wal.groups import IN_FLIGHT_MAX, Group, Groups
from lodur.store.object_wal.lease import Lease, LeaseState, StoredLease, read_lease, write_lease
from lodur.store.object_wal.names import FIRST_NUMBER, first_seq, object_path
from lodur.store.object_wal.options import ObjectWalOptions

TRIM_GRACE_S = 60.0
"""How long objects stay that are in committed segments: readers that are slow find them, and so the segments."""

DELETES_AT_ONCE = 8

RETRY_FIRST_S = 0.1
RETRY_MAX_S = 5.0
"""Between attempts to write an object or a lease."""

LEASE_TRUST_RATIO = 2 / 3
"""Part of the lease for which a writer believes itself alive: clocks of machines do not run quite alike."""

BEATS_PER_LEASE = 3

DRAIN_S = 10.0
"""How long a stop waits for the last groups."""

FENCED = "another process has taken this one for dead and brought its write-ahead log to an end"
STOPPING = "the server is stopping"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ObjectWalStats:
    """A log as its writer knows it."""

    records: int
    objects: int
    """Acknowledged since the start."""
    kept_objects: int
    """With records that are in no segment yet."""
    waiting_bytes: int
    """Of payloads that are not acknowledged yet."""
    write_failures: int
    """Attempts to write an object that failed."""
    lease_failures: int
    """Signs of life that could not be given."""
    delete_failures: int
    """Attempts to delete objects that are not needed any more which failed."""


def _nothing() -> None:
    """Nobody wants to know."""


class ObjectWal:
    """The log of one writer, made anew with each start. All methods may be called from any thread."""

    def __init__(
        self, store: ObjectStore, options: ObjectWalOptions, clock: Clock, *, writer_id: str | None = None
    ) -> None:
        self.writer_id = writer_id or str(uuid.uuid4())
        self.on_fenced: Callable[[], None] = _nothing
        """Called once, from any thread, when the log was ended by another."""
        self._store = store
        self._options = options
        self._clock = clock
        self._groups = Groups(options)
        self._lock = threading.Lock()
        self._lease_lock = threading.Lock()
        """Held while the lease is written."""
        self._lease: StoredLease | None = None
        self._trusted_until_s = float("-inf")
        self._kept: deque[tuple[int, int]] = deque()
        """Numbers of acknowledged objects, and of their last records; those that are not trimmed."""
        self._doomed: deque[tuple[float, int]] = deque()
        """When to delete which objects."""
        self._first_number = FIRST_NUMBER
        self._last_number = 0
        """Of the last object that was acknowledged."""
        self._is_stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._senders = ThreadPoolExecutor(IN_FLIGHT_MAX, "wal-send")
        self._deleters = ThreadPoolExecutor(DELETES_AT_ONCE, "wal-delete")
        self._records = 0
        self._objects = 0
        self._write_failures = 0
        self._lease_failures = 0
        self._delete_failures = 0

    def start(self) -> None:
        """Make the writer known and begin to send; once. Blocks. Raises as `ObjectStore`."""
        if self._threads:
            return
        self.register()
        for work in (self._send_groups, self._beat_for_ever):
            thread = threading.Thread(target=work, name=f"wal{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def register(self) -> None:
        """Write the first lease: from now on others know of the log. Raises as `ObjectStore`."""
        begun_s = self._clock.monotonic_s()
        first = StoredLease(self._said(Lease(self.writer_id)), "")
        self._lease = write_lease(self._store, self.writer_id, first.lease, None)
        if self._lease is not None:
            self._trust(begun_s)
            return
        # The answer to an earlier attempt was lost, and the next sign of life is the first that is trusted.
        self._lease = self._lost_beat(first)
        if self._lease is None:
            # That attempt was so long ago that the log was adopted since.
            self._fence()
        self.beat()

    def append(self, tenant: str, kind: int, accepted_at_ns: int, payload: bytes) -> int:
        """Return the record's number once it is durable.

        Raises Unavailable where the store does not keep up; the record may then be kept all the same.
        """
        group, seq = self._groups.join((tenant, kind, accepted_at_ns, payload), self._clock.monotonic_s())
        group.settled.wait()
        if group.error:
            raise Unavailable(group.error)
        return seq

    def check_room(self) -> None:
        """Raise Unavailable while the store does not keep up."""
        self._groups.check_room(self._clock.monotonic_s())

    def committed(self, tenant: str, days: Sequence[int]) -> None:
        """Tell those who follow the log that manifests were committed; nobody waits for it."""
        payload = msgspec.json.encode([day_name(day) for day in days])
        try:
            self._groups.join((tenant, NOTICE, self._clock.now_ns(), payload), self._clock.monotonic_s(), must=True)
        except Unavailable:
            # Whoever brings the log to an end tells them.
            return

    def replay(self) -> Iterator[list[WalRecord]]:
        """Nothing: a log is followed by others, and never taken up again."""
        return iter(())

    def replay_bytes(self) -> int:
        return 0

    def problems(self) -> list[WalProblem]:
        return []

    def trim(self, up_to_seq: int) -> int:
        """Let go of the objects of which every record has a number up to `up_to_seq`; how many."""
        due_s = self._clock.monotonic_s() + TRIM_GRACE_S
        with self._lock:
            before = len(self._kept)
            while self._kept and self._kept[0][1] <= up_to_seq:
                self._doomed.append((due_s, self._kept.popleft()[0]))
            return before - len(self._kept)

    def stats(self) -> ObjectWalStats:
        """Counts since the start, and what is there now."""
        _, waiting_bytes = self._groups.waiting()
        with self._lock:
            return ObjectWalStats(
                self._records,
                self._objects,
                len(self._kept),
                waiting_bytes,
                self._write_failures,
                self._lease_failures,
                self._delete_failures,
            )

    def waiting(self) -> tuple[int, int]:
        """Records that wait for the object store, and the bytes of their payloads."""
        return self._groups.waiting()

    def is_fenced(self) -> bool:
        """Another process has ended the log."""
        return self._groups.end_reason == FENCED

    def stop(self) -> None:
        """Send what waits, or refuse it where the store does not take it in time. Blocks; pushes have ended or wait."""
        with self._groups.changed:
            self._groups.changed.wait_for(
                lambda: self._groups.is_idle() or bool(self._groups.end_reason), timeout=DRAIN_S if self._threads else 0
            )
        self._is_stopping.set()
        self._groups.end(STOPPING)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._senders.shutdown()
        self._deleters.shutdown()

    def close(self) -> None:
        """Stop, and leave the log to whoever adopts it, who need not wait now. Closing twice does nothing."""
        self.stop()
        with self._lease_lock:
            known = self._lease
            if known is None or known.lease.state is not LeaseState.LIVE or self.is_fenced():
                return
            closed = self._said(replace(known.lease, state=LeaseState.CLOSED, beat=known.lease.beat + 1))
            try:
                self._lease = write_lease(self._store, self.writer_id, closed, known)
            except LodurError as error:
                _log.warning("write-ahead log is adopted only after its lease has run out", err=str(error))

    # What the threads do, step by step.

    def take_group(self) -> Group | None:
        """The next group that is to be sent now."""
        return self._groups.take(self._clock.monotonic_s())

    def encode(self, group: Group) -> bytes:
        """The object of a group; differs with each call."""
        return encode_wal_object(self.writer_id, first_seq(group.number), group.records)

    def attempt(self, group: Group, data: bytes) -> None:
        """Try to make a group's object; then it is durable, or the log is found to have been ended.

        Raises as `ObjectStore`: the object may then have been made all the same, and it is to be tried again.
        """
        path = object_path(self.writer_id, group.number)
        if self._store.replace_if(path, data, None) is None and not self._has_made(path, data):
            self._fence()
            return
        group.is_durable = True
        self._settle()

    def _has_made(self, path: str, data: bytes) -> bool:
        """Whether an earlier attempt made the object; asked twice, for what is read may come damaged once."""
        answers = (self._store.get(path) for _ in range(2))
        return any(found is not None and found.data == data for found in answers)

    def beat(self) -> None:
        """Give a sign of life. Raises as `ObjectStore`."""
        with self._lease_lock:
            known = self._lease
            if known is None or self._groups.end_reason:
                return
            begun_s = self._clock.monotonic_s()
            said = self._said(replace(known.lease, beat=known.lease.beat + 1, first_number=self._first_kept()))
            written = write_lease(self._store, self.writer_id, said, known)
            if written is not None:
                self._lease = written
                self._trust(begun_s)
            else:
                self._lease = self._lost_beat(known)
            is_fenced = self._lease is None
        if is_fenced:
            self._fence()
        self._settle()

    def delete_due(self) -> None:
        """Delete the objects that were trimmed long enough ago, and that the lease says to be deleted.

        In this order, whoever reads the lease finds no gap behind its first number. Raises as `ObjectStore`.
        """
        with self._lease_lock:
            said_number = self._lease.lease.first_number if self._lease is not None else FIRST_NUMBER
        with self._lock:
            due = [number for _, number in self._doomed if number < said_number]
        paths = [object_path(self.writer_id, number) for number in due]
        list(self._deleters.map(self._store.delete, paths))
        with self._lock:
            for _ in due:
                self._first_number = self._doomed.popleft()[1] + 1

    def _lost_beat(self, known: StoredLease) -> StoredLease | None:
        """The lease as it is, where only an earlier attempt of ours came between: nobody knows how long ago."""
        found = read_lease(self._store, self.writer_id)
        is_ours = found is not None and found.lease.owner == self.writer_id and found.lease.epoch == known.lease.epoch
        return found if is_ours else None

    def _settle(self) -> None:
        """Acknowledge what is durable, as long as nobody can have ended the log meanwhile."""
        may_acknowledge = self._clock.monotonic_s() < self._trusted_until_s
        done = self._groups.settle(may_acknowledge=may_acknowledge)
        if done:
            with self._lock:
                # Two threads may come here at a time, each with groups of its own.
                merged = sorted([*self._kept, *((group.number, group.last_seq) for group in done)])
                self._kept = deque(merged)
                self._last_number = max(self._last_number, done[-1].number)
                self._objects += len(done)
                self._records += sum(len(group.records) for group in done)

    def _first_kept(self) -> int:
        """The first object that is not deleted, or due to be."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            # The last object shows where the log goes on.
            due = [number for at_s, number in self._doomed if at_s <= now_s and number < self._last_number]
            return due[-1] + 1 if due else self._first_number

    def _trust(self, begun_s: float) -> None:
        self._trusted_until_s = begun_s + self._options.lease_s * LEASE_TRUST_RATIO

    def _said(self, lease: Lease) -> Lease:
        return replace(lease, said_at_ns=self._clock.now_ns())

    def _fence(self) -> None:
        was_ended = bool(self._groups.end_reason)
        self._groups.end(FENCED)
        if not was_ended:
            _log.error("write-ahead log was ended by another process", writer=self.writer_id)
            self.on_fenced()

    def _send_groups(self) -> None:
        try:
            self._send_while_open()
        except Exception:  # noqa: BLE001 - the top of a thread
            # Nobody would send what waits from now on.
            _log.exception("write-ahead log cannot go on")
            self._fence()

    def _send_while_open(self) -> None:
        changed = self._groups.changed
        while not self._groups.end_reason:
            with changed:
                now_s = self._clock.monotonic_s()
                due_s = self._groups.due_s(now_s)
                if due_s != 0.0:
                    changed.wait(due_s)
                    continue
                group = self._groups.take(now_s)
            if group is not None:
                self._senders.submit(self._send, group)

    def _send(self, group: Group) -> None:
        """Try until the group is durable, the log is ended, or the server stops."""
        wait_s = RETRY_FIRST_S
        try:
            data = self.encode(group)
            while not (group.is_durable or self._groups.end_reason):
                try:
                    self.attempt(group, data)
                except LodurError as error:
                    with self._lock:
                        self._write_failures += 1
                    _log.warning("object of the write-ahead log is tried again", retry_in_s=wait_s, err=str(error))
                    self._is_stopping.wait(wait_s)
                    wait_s = min(wait_s * 2, RETRY_MAX_S)
        except Exception:  # noqa: BLE001 - the top of a task
            # Without this group none after it can be acknowledged.
            _log.exception("write-ahead log cannot go on")
            self._fence()

    def _beat_for_ever(self) -> None:
        period_s = self._options.lease_s / BEATS_PER_LEASE
        retry_s = min(RETRY_MAX_S, period_s)
        wait_s = period_s
        while not self._is_stopping.wait(wait_s) and not self._groups.end_reason:
            wait_s = period_s if self._try_beat(retry_s) and self._try_delete_due(retry_s) else retry_s

    def _try_beat(self, retry_s: float) -> bool:
        """Give a sign of life, come what may: without them the log is taken from its writer. Whether it was given."""
        try:
            self.beat()
        except Exception as error:  # noqa: BLE001 - a bug must not end the signs of life
            with self._lock:
                self._lease_failures += 1
            self._tell("lease of the write-ahead log was not renewed", error, retry_s)
            return False
        return True

    def _try_delete_due(self, retry_s: float) -> bool:
        try:
            self.delete_due()
        except Exception as error:  # noqa: BLE001 - a bug must not end the signs of life
            with self._lock:
                self._delete_failures += 1
            self._tell("objects that the write-ahead log needs no more were not deleted", error, retry_s)
            return False
        return True

    @staticmethod
    def _tell(what: str, error: Exception, retry_s: float) -> None:
        if isinstance(error, LodurError):
            _log.warning(what, retry_in_s=retry_s, err=str(error))
        else:
            _log.error(what, retry_in_s=retry_s, exc_info=error)
