"""What a server does with the object WALs of its own and of other processes; nothing where the WAL is on the disk.

Start at `SharedLog`. How to run such servers: docs/how-to/run-several-processes.md.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from lodur.config.server_config import ServerConfig
from lodur.config.targets import Role
from lodur.ingest.adopting import Adopter
from lodur.ingest.following import Follower
from lodur.ingest.recent_pushes import RecentPushes
from lodur.ingest.tenant_states import IngestLimitsOf
from lodur.model.clock import Clock
from lodur.model.errors import InvalidRequest, LodurError, Unavailable
from lodur.model.tenant import TenantId
from lodur.store.days import day_of
from lodur.store.journal import Journal, NoJournal, Wal, WalOptions
from lodur.store.object_stores import ObjectStores
from lodur.store.object_wal.lease import LeaseState, read_lease
from lodur.store.object_wal.names import LEASES, lease_writer
from lodur.store.object_wal.writing import ObjectWal
from lodur.store.store import Store
from lodur.telemetry.object_wal_metrics import ObjectWalCollector, ObjectWalMetrics, ObjectWalSize
from lodur.wire.push_body import DecodedPush

DISCOVER_EVERY_S = 600.0
"""How often tenants and days are looked for that others have brought: what compacts has to know them some time."""

_log = structlog.get_logger(__name__)


def open_journal(config: ServerConfig, stores: ObjectStores, clock: Clock) -> Journal:
    """The WAL, or none. Raises Unavailable where another process has it, CorruptData, OSError, InvalidRequest."""
    wal = config.ingester.wal
    if config.ingester.object_wal is not None:
        if config.roles <= {Role.READ}:
            return NoJournal()
        _refuse_disk_records(wal.directory)
        return ObjectWal(stores.of_day(day_of(clock.now_ns())), config.ingester.object_wal, clock)
    if not wal.enabled or Role.WRITE not in config.roles:
        return NoJournal()
    return Wal.open(WalOptions(path=wal.directory))


@contextmanager
def locked_directory(config: ServerConfig) -> Iterator[None]:
    """Around all that a process with an object WAL does: what it keeps on its disk for a while is its own.

    Raises Unavailable where another process has the directory. A WAL on the disk has a lock itself.
    """
    if config.ingester.object_wal is None:
        yield
        return
    directory = config.ingester.wal.directory
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock-object-wal").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                f"another process uses {directory}: give each its own common.path_prefix or ingester.wal.dir"
            ) from None
        yield


def _refuse_disk_records(directory: Path) -> None:
    """Raise InvalidRequest where a WAL on the disk has rows that nobody would see."""
    if not any(directory.glob("*.wal")):
        return
    disk = Wal.open(WalOptions(path=directory))
    try:
        if next(disk.replay(1), None):
            raise InvalidRequest(
                f"lodur.wal is object, but the WAL in {directory} has rows that are in no segment: start once with "
                "-lodur.wal=disk -ingester.flush-on-shutdown=true, stop, then start with object"
            )
    finally:
        disk.close()


class SharedLog:
    """`begin`, `catch_up` and `close` block; `run` belongs to the event loop."""

    def __init__(
        self,
        config: ServerConfig,
        store: Store,
        stores: ObjectStores,
        *,
        limits_of: IngestLimitsOf,
        recent: RecentPushes,
        on_rows: Callable[[TenantId, DecodedPush], None],
        registry: CollectorRegistry,
        clock: Clock,
    ) -> None:
        self._stores = stores
        self._store = store
        self._clock = clock
        self._is_used = config.ingester.object_wal is not None
        self._discovers = self._is_used or Role.WRITE not in config.roles
        self._stopped = asyncio.Event()
        self.follower: Follower | None = None
        self.adopter: Adopter | None = None
        options = config.ingester.object_wal
        if options is None:
            return
        metrics, own_id = ObjectWalMetrics(registry), store.journal.writer_id
        if isinstance(store.journal, ObjectWal):
            registry.register(ObjectWalCollector(partial(_size, store.journal)))
        # Rules ask for the newest rows too.
        if config.roles & {Role.READ, Role.BACKEND}:
            self.follower = Follower(
                store,
                stores,
                limits_of,
                options,
                own_id=own_id,
                recent=recent,
                on_rows=on_rows,
                clock=clock,
                metrics=metrics,
            )
        if Role.BACKEND in config.roles:
            self.adopter = Adopter(
                store,
                stores,
                limits_of,
                options,
                own_id=own_id,
                flush_bytes=config.ingester.flush_bytes,
                clock=clock,
                metrics=metrics,
            )

    def begin(self) -> None:
        """Before the manifests are read. Raises as `ObjectStore`."""
        if self.follower is not None:
            self.follower.begin()
        elif not self._is_used:
            self._warn_of_logs()

    def catch_up(self) -> None:
        """After the manifests are read: become known, and see what others have accepted. Raises as `ObjectStore`."""
        if isinstance(self._store.journal, ObjectWal):
            self._store.journal.start()
        if self.follower is not None:
            self.follower.poll()

    async def run(self) -> None:
        """Follow and adopt until stopped."""
        if not self._discovers:
            return
        works = [self._discover()]
        if self.follower is not None:
            works.append(self.follower.run())
        if self.adopter is not None:
            works.append(self.adopter.run())
        await asyncio.gather(*works)

    def stop(self) -> None:
        """Let `run` return."""
        self._stopped.set()
        if self.follower is not None:
            self.follower.stop()
        if self.adopter is not None:
            self.adopter.stop()

    def stop_pushes(self) -> None:
        """Send what waits or refuse it: pushes that wait for the object store end."""
        if isinstance(self._store.journal, ObjectWal):
            self._store.journal.stop()

    def close(self) -> None:
        """Wait for threads; `run` has returned."""
        if self.follower is not None:
            self.follower.close()
        if self.adopter is not None:
            self.adopter.close()

    async def _discover(self) -> None:
        while not self._stopped.is_set():
            try:
                await asyncio.wait_for(self._stopped.wait(), DISCOVER_EVERY_S)
            except TimeoutError:
                await asyncio.to_thread(self._try_discover)

    def _try_discover(self) -> None:
        for objects in self._stores.each():
            log = _log.bind(object_store=self._stores.name_of(objects), retry_in_s=DISCOVER_EVERY_S)
            try:
                self._store.discover_in(objects, all_days=False)
            except LodurError as error:
                log.warning("new tenants and days cannot be looked for, trying again", err=str(error))
            except Exception:
                # Else nobody would follow and adopt any more either, and nobody would be told.
                log.exception("the look for new tenants and days ended unexpectedly, trying again")

    def _warn_of_logs(self) -> None:
        """Say that rows lie in logs that nobody reads any more, as after a change of the configuration."""
        for store in self._stores.each():
            for one in store.list_objects(LEASES):
                writer_id = lease_writer(one.path)
                found = read_lease(store, writer_id) if writer_id is not None else None
                if found is not None and found.lease.state not in (LeaseState.ADOPTED, LeaseState.DONE):
                    _log.warning(
                        "the object store has a write-ahead log that is not read: its rows are seen after a start with "
                        "lodur.wal: object",
                        writer=writer_id,
                    )


def _size(wal: ObjectWal) -> ObjectWalSize:
    stats = wal.stats()
    return ObjectWalSize(
        records=stats.records,
        objects=stats.objects,
        kept_objects=stats.kept_objects,
        waiting_bytes=stats.waiting_bytes,
        write_failures=stats.write_failures,
        lease_failures=stats.lease_failures,
        delete_failures=stats.delete_failures,
    )
