"""Ask a store without a server: the query engine over its segments, and over its write-ahead log where that is free.

Nothing is changed. Where a server holds the write-ahead log, lines that it has not flushed are not seen; where none
does, they are read back into memory. Start at `opened_logs`.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from lodur.app.deletion_modes import deletion_modes, overrides_now
from lodur.config.overrides import Overrides
from lodur.config.server_config import ServerConfig
from lodur.ingest.following import Follower
from lodur.ingest.recent_pushes import RecentPushes
from lodur.ingest.replay import Replay
from lodur.ingest.tenant_states import IngestLimitsOf
from lodur.model.clock import SystemClock
from lodur.model.errors import InvalidRequest, LimitExceeded, Unavailable
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import StreamsAnswer
from lodur.query.delete_queries import plan_of_request
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.requests import RangeRequest
from lodur.store.deletes.deletions import Deletions
from lodur.store.inspection import check_tenant, days_in
from lodur.store.journal import Journal, NoJournal, Wal, WalOptions, WalProblem, WalRecord
from lodur.store.manifest_store import Committed, read_manifest
from lodur.store.object_stores import ObjectStores
from lodur.store.options import StorageOptions
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.telemetry.ingest_metrics import IngestMetrics
from lodur.telemetry.log import configure_log
from lodur.telemetry.object_wal_metrics import ObjectWalMetrics

STEP_NS = 10**9
"""Of requests for log lines, which have no steps."""

UNLIMITED = QueryLimits(entries_max=0, length_max_ns=0, process_bytes_read_max=0, timeout_ns=0)
"""Who holds the store itself is bound by memory alone."""


class StoredLogs:
    """The entries of one tenant. Blocks; not for several threads."""

    def __init__(self, store: Store, tenant: TenantId, *, is_whole: bool) -> None:
        self.is_whole = is_whole
        """Whether lines that are in no segment yet are seen too."""
        self._tenant = tenant
        options = QuerierOptions(threads=os.cpu_count() or 1)
        self._engine = Engine(store, options, SystemClock(), lambda _: UNLIMITED)
        self._runner = asyncio.Runner()

    def page(self, text: str, *, start_ns: int, end_ns: int, limit: int) -> bytes:
        """The oldest entries of a span as Loki's JSON array of streams, structured metadata apart.

        Raises InvalidRequest, LimitExceeded for more than fits into memory, and as an object store.
        """
        request = RangeRequest(text, start_ns, end_ns, STEP_NS, limit, backward=False)
        answer = self._runner.run(self._engine.range((self._tenant,), request))
        if not isinstance(answer, StreamsAnswer):
            raise InvalidRequest("only log selector is supported")
        return answer.result.streams_json(categorize=True)

    def close(self) -> None:
        self._engine.close()
        self._runner.close()


@contextmanager
def opened_logs(
    config: ServerConfig | None, storage: StorageOptions, tenant: TenantId, spool: Path
) -> Iterator[StoredLogs]:
    """The logs of a tenant. Without a configuration there is no write-ahead log to look at.

    Raises NotFound for a tenant of whom there is nothing, neither in the store nor in the log.
    """
    configure_log(level="warn", is_json=False)
    overrides = overrides_now(config)
    journal = _free_journal(config)
    stores = ObjectStores.of(storage, spool_directory=spool)
    deletions = Deletions(stores.oldest(), plan_of_request, SystemClock(), mode_of=deletion_modes(overrides))
    store = Store(stores, _OfTenant(journal, tenant) if isinstance(journal, Wal) else journal, deletions=deletions)
    limits_of = _ingest_limits(overrides)
    follower = _follower(store, stores, config, limits_of)
    try:
        if follower is not None:
            follower.begin()
        # The days of other tenants are not read, and nothing is cleaned up: the store may be a running server's.
        days = {stored.day: stored for stored in days_in(stores, tenant)}
        committed = {day: read_manifest(stored.store, tenant, day) for day, stored in days.items()}
        known: dict[int, Committed] = {day: found for day, found in committed.items() if found is not None}
        if known:
            store.tenant(tenant).set_days(known)
        if config is not None and isinstance(journal, Wal):
            _replay(store, config, limits_of)
        if follower is not None:
            follower.poll(tenant)
        if all(known.tenant != tenant for known in store.tenants()):
            check_tenant(stores, tenant)
        is_whole = config is None or follower is not None or isinstance(journal, Wal)
        logs = StoredLogs(store, tenant, is_whole=is_whole)
        try:
            yield logs
        finally:
            logs.close()
    finally:
        if follower is not None:
            follower.close()
        store.close()


def _follower(
    store: Store, stores: ObjectStores, config: ServerConfig | None, limits_of: IngestLimitsOf
) -> Follower | None:
    """Reads the write-ahead logs in the object store, where that is where they are."""
    options = config.ingester.object_wal if config is not None else None
    if options is None:
        return None
    return Follower(
        store,
        stores,
        limits_of,
        options,
        own_id=store.journal.writer_id,
        recent=RecentPushes(),
        on_rows=lambda *_: None,
        clock=SystemClock(),
        metrics=ObjectWalMetrics(CollectorRegistry()),
    )


def _free_journal(config: ServerConfig | None) -> Journal:
    """The write-ahead log where nobody else has it."""
    wal = config.ingester.wal if config is not None and config.ingester.object_wal is None else None
    if wal is None or not wal.enabled or not wal.directory.is_dir():
        return NoJournal()
    try:
        return Wal.open(WalOptions(path=wal.directory))
    except Unavailable:
        return NoJournal()


def _replay(store: Store, config: ServerConfig, limits_of: IngestLimitsOf) -> None:
    def flush(_: TenantStore) -> None:
        raise LimitExceeded(
            "the write-ahead log holds more lines than fit into memory: start the server once, which flushes them",
            limit="ingester.wal.replay_memory_ceiling",
        )

    memory_bytes = min(config.ingester.wal.replay_max_bytes, config.ingester.head_max_bytes)
    Replay(
        store,
        limits_of,
        RecentPushes(),
        learn_day=partial(read_day, store),
        flush=flush,
        flush_bytes=memory_bytes,
        memory_max_bytes=memory_bytes,
        stopping=threading.Event(),
        clock=SystemClock(),
        metrics=IngestMetrics(CollectorRegistry()),
    ).run()


def read_day(store: Store, tenant_store: TenantStore, day: int) -> None:
    """Take a day's manifest as it is: to mend a damaged one is for the process that writes.

    Raises as `ObjectStore`, and CorruptData.
    """
    committed = read_manifest(store.stores.of_day(day), tenant_store.tenant, day)
    if committed is not None:
        tenant_store.learn_day(day, committed)


def _ingest_limits(overrides: Overrides) -> IngestLimitsOf:
    """Those of each tenant: rows were made under them, and are made again when they are read back."""
    return lambda tenant: overrides.of(tenant).limits.ingest


class _OfTenant:
    """A write-ahead log of which only one tenant's records are read back."""

    def __init__(self, journal: Wal, tenant: TenantId) -> None:
        self.writer_id = journal.writer_id
        self._journal = journal
        self._tenant = tenant.value

    def append(self, tenant: str, kind: int, accepted_at_ns: int, payload: bytes) -> int:
        raise Unavailable("this store is only read")

    def replay(self) -> Iterator[list[WalRecord]]:
        for batch in self._journal.replay():
            yield [record for record in batch if record.tenant == self._tenant]

    def replay_bytes(self) -> int:
        return self._journal.replay_bytes()

    def problems(self) -> list[WalProblem]:
        return self._journal.problems()

    def trim(self, up_to_seq: int) -> int:
        return 0

    def check_room(self) -> None:
        raise Unavailable("this store is only read")

    def committed(self, tenant: str, days: Sequence[int]) -> None:
        """Nothing is committed."""

    def close(self) -> None:
        self._journal.close()
