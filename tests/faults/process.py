"""One process of the bench: writer, store, compactor and engine as a server has them, without HTTP or waiting."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import orjson
from prometheus_client import CollectorRegistry

from lodur.ingest.quarantine import Quarantine
from lodur.ingest.replay import Replay
from lodur.ingest.writer import WHOLE, Writer
from lodur.kernels.push_decode import ContentEncoding, PushFormat
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE
from lodur.model.errors import Unavailable
from lodur.model.limits import MIB, DeletionMode, IngestLimits, QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import MatrixAnswer, StreamsAnswer
from lodur.query.delete_queries import plan_of_request
from lodur.query.engine import Engine
from lodur.query.evaluate.matrix import Matrix
from lodur.query.options import QuerierOptions
from lodur.query.requests import RangeRequest
from lodur.store.compaction.compactor import Compactor
from lodur.store.compaction.options import KEEP_ALL, CompactionPolicy, CompactorOptions, RetentionPeriods
from lodur.store.delete_service import DeleteOptions, DeleteService
from lodur.store.deletes.deletions import Deletions
from lodur.store.manifest_store import Committed, stored_days
from lodur.store.object_stores import ObjectStores
from lodur.store.options import CacheOptions
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.telemetry.compaction_metrics import CompactionMetrics
from lodur.telemetry.ingest_metrics import IngestMetrics
from lodur.telemetry.store_metrics import CacheMetrics
from lodur.wire.push_body import PushForm
from tests.compacting_node import TENANT, Row
from tests.faults.faulty_journal import FaultyJournal
from tests.faults.faulty_store import NO_FAULTS, Bucket, FaultyStore
from tests.faults.sizes import SMALL, Sizes

JSON = PushForm(PushFormat.LOKI_JSON, ContentEncoding.IDENTITY)

TENANTS = (TENANT, TenantId("u"))

ATTEMPTS_MAX = 30
"""Of what a server tries until it succeeds; then the faults end."""

CANCEL_PERIOD_NS = 2 * NS_PER_HOUR
"""Of delete requests."""

SPAN_NS = (-(2**62), 2**62)

PUSH_BYTES_MAX = 64 * MIB

UNLIMITED = IngestLimits(
    rate_bytes=1 << 40,
    burst_bytes=1 << 40,
    stream_rate_bytes=1 << 40,
    stream_burst_bytes=1 << 40,
    line_bytes_max=0,
    reject_old_samples=False,
)

METADATA_BYTES_MAX = 80_000
DISK_CACHE_BYTES_MAX = 30_000
SMALL_RANGES_BYTES_MAX = 4000
"""So little that caches let go of what they have all the time."""

RESULTS_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Site:
    """What the processes of a history have in common."""

    remote: bool
    """Whether segments lie elsewhere, so that ranges of them are cached."""
    periods: RetentionPeriods = KEEP_ALL
    sizes: Sizes = SMALL

    def compactor(self) -> CompactorOptions:
        return CompactorOptions(
            reader_grace_ns=NS_PER_MINUTE,
            retention_enabled=True,
            retention_delete_delay_ns=10 * NS_PER_MINUTE,
            delete_cancel_period_ns=CANCEL_PERIOD_NS,
            policy=CompactionPolicy(
                target_bytes=self.sizes.target_bytes,
                settled_after_ns=NS_PER_HOUR,
                cold_after_ns=6 * NS_PER_HOUR,
                cold_zstd_level=self.sizes.flushes.cold_zstd_level,
            ),
        )


class Process:
    """A process that can be started again over the same disk. `name` is that of its write-ahead log."""

    def __init__(
        self,
        bucket: Bucket,
        directory: Path,
        name: str,
        seed: str,
        clock: ManualClock,
        site: Site,
    ) -> None:
        self.name = name
        self.mode = DeletionMode.FILTER_AND_DELETE
        self.clock = clock
        self.rates = NO_FAULTS
        self._bucket = bucket
        self._seed = f"{seed} {name}"
        self._site = site
        self.starts = 0
        self.wal_directory = directory / f"wal-{name}"
        self.cache_directory = directory / f"cache-{name}"
        self._spool = directory / f"spool-{name}"
        self.wal_directory.mkdir(parents=True)
        self._spool.mkdir()
        chosen = uuid.UUID(int=Random(self._seed).getrandbits(128), version=4)
        (self.wal_directory / "writer-id").write_text(f"{chosen}\n")
        self.knows_all_days = True
        registry = CollectorRegistry()
        self._ingest_metrics, self._compaction_metrics = IngestMetrics(registry), CompactionMetrics(registry)
        self._cache_metrics = CacheMetrics(registry)
        self.next_id = ""
        """Of the next delete request that is made here."""
        self.start()

    def start(self) -> None:
        """Begin, as after a restart. Raises Crash."""
        self.starts += 1
        # One for all queries: to make one takes longer than most of them.
        self._loop = asyncio.new_event_loop()
        seed = f"{self._seed} {self.starts}"
        if not self._site.remote:
            # A kernel ends the calls of a process that dies before it lets another lock the log.
            self._bucket.end_calls(self._spool)
        self.journal = FaultyJournal(self.wal_directory, Random(seed), self.rates.crashed)
        self.objects = FaultyStore(
            self._bucket, self._spool, seed, self.clock, rates=self.rates, is_remote=self._site.remote
        )
        self.deletions = Deletions(self.objects, plan_of_request, self.clock, mode_of=lambda _: self.mode)
        caches = CacheOptions(
            METADATA_BYTES_MAX, SMALL_RANGES_BYTES_MAX, self.cache_directory, disk_bytes_max=DISK_CACHE_BYTES_MAX
        )
        self.store = Store(
            ObjectStores([(-(2**63), self.objects)]),
            self.journal,
            segments=self._site.sizes.flushes,
            deletions=self.deletions,
            caches=caches,
            cache_metrics=self._cache_metrics,
        )
        self.writer = Writer(
            self.store,
            lambda _: UNLIMITED,
            decompressed_max_bytes=PUSH_BYTES_MAX,
            head_max_bytes=1 << 30,
            stream_errors_max=10,
            disk=None,
            clock=self.clock,
            metrics=self._ingest_metrics,
            on_growth=lambda _: None,
            on_rows=lambda _tenant, _push: None,
        )
        metrics = self._compaction_metrics
        self.compactor = Compactor(
            self.store,
            self._site.compactor(),
            retention=lambda _: self._site.periods,
            clock=self.clock,
            metrics=metrics,
        )
        self.deletes = DeleteService(
            self.store,
            self.deletions,
            DeleteOptions(enabled=True, cancel_period_ns=CANCEL_PERIOD_NS),
            self.clock,
            new_id=lambda: self.next_id,
            metrics=metrics.deletes,
        )
        unlimited = QueryLimits(entries_max=0, length_max_ns=0)
        options = QuerierOptions(threads=1)
        keeping = QuerierOptions(threads=1, results_max_bytes=RESULTS_BYTES_MAX)
        self.engine, self.keeping_engine = (
            Engine(self.store, one, self.clock, lambda _: unlimited, self.store, self._cache_metrics)
            for one in (options, keeping)
        )
        # Known before they are loaded, side by side: in which order they come is then up to no thread.
        for tenant in TENANTS:
            self.store.tenant(tenant)
        self._insist(self.store.load)
        self.knows_all_days = not self.objects.stale_lists
        self._replay()

    def _replay(self) -> None:
        replay = Replay(
            self.store,
            lambda _: UNLIMITED,
            self.writer.recent,
            learn_day=lambda tenant_store, day: self._insist(lambda: self.store.learn_day(tenant_store, day)),
            flush=lambda tenant_store: self._insist(lambda: self._flush(tenant_store)),
            # So little that some replays flush meanwhile, and others leave that for later.
            flush_bytes=self._site.sizes.target_bytes // 3,
            memory_max_bytes=self._site.sizes.target_bytes * 4 // 3,
            stopping=threading.Event(),
            clock=self.clock,
            metrics=self._ingest_metrics,
            quarantine=Quarantine(self.wal_directory / "quarantine"),
        )
        replay.run()

    @property
    def tenant_store(self) -> TenantStore:
        return self.store.tenant(TENANT)

    def known(self, tenant: TenantId) -> tuple[frozenset[str], int]:
        """What its answers depend on besides the entries: as long as it is the same, all of them see the same."""
        return frozenset(self.store.set_aside()), self.deletions.known(tenant).revision

    def push(self, rows: Sequence[Row], tenant: TenantId = TENANT) -> None:
        """Send a body; returns when it is acknowledged. Raises Unavailable, Crash."""
        streams = [{"stream": {"app": app}, "values": [[str(ts_ns), line]]} for app, ts_ns, line in rows]
        outcome = self.writer.keep(tenant, json.dumps({"streams": streams}).encode(), JSON)
        assert outcome.status == WHOLE, outcome

    def flush(self) -> None:
        """One attempt to bring all rows into segments. Raises as `ObjectStore`, OSError, Crash."""
        for tenant_store in self.store.tenants():
            self._flush(tenant_store)

    def _flush(self, tenant_store: TenantStore) -> None:
        tenant_store.freeze()
        for generation in tenant_store.unflushed():
            done: dict[int, Committed] = {}
            self.store.writer.flush(tenant_store, generation, done)
            tenant_store.flushed(generation, done)
        self.store.trim_wal()

    def compact(self) -> None:
        """One run of the compactor. Raises Crash."""
        stale_lists = self.objects.stale_lists
        self.compactor.run_once()
        if self.objects.stale_lists == stale_lists and self.objects.rates is NO_FAULTS:
            self.knows_all_days = True

    def refresh(self, tenant: TenantId) -> None:
        """Learn what other processes have committed. Raises as `ObjectStore`, Crash."""
        self.deletions.refresh(tenant)
        for day in stored_days(self.objects.inner, tenant):
            self.store.refresh(self.store.tenant(tenant), day)

    def rows(self, tenant: TenantId = TENANT) -> list[Row]:
        """All entries that a query finds. Raises as `ObjectStore`."""
        start_ns, end_ns = SPAN_NS
        request = RangeRequest(text='{app=~".+"}', start_ns=start_ns, end_ns=end_ns, step_ns=10**9, limit=100_000)
        answer = self._loop.run_until_complete(self.engine.range((tenant,), request))
        assert isinstance(answer, StreamsAnswer)
        streams = orjson.loads(answer.result.streams_json(categorize=False))
        return sorted((one["stream"]["app"], int(ts_ns), line) for one in streams for ts_ns, line in one["values"])

    def series(self, tenant: TenantId, text: str, start_ns: int, end_ns: int, step_ns: int, *, keeping: bool) -> Matrix:
        """A metric query, as the engine answers that keeps results or the other. Raises as `ObjectStore`."""
        request = RangeRequest(text, start_ns, end_ns, step_ns, limit=100)
        engine = self.keeping_engine if keeping else self.engine
        answer = self._loop.run_until_complete(engine.range((tenant,), request))
        assert isinstance(answer, MatrixAnswer)
        return answer.matrix

    def stop(self) -> None:
        """Keep nothing but what is on disk."""
        self.compactor.stop()
        self.compactor.close()
        self.engine.close()
        self.keeping_engine.close()
        self.writer.close()
        self.store.close()
        self._loop.run_until_complete(_ended(self._loop))
        self._loop.close()

    def _insist(self, work: Callable[[], object]) -> None:
        for attempt in range(ATTEMPTS_MAX + 1):
            if attempt == ATTEMPTS_MAX:
                self.objects.rates, self.journal.crash_percent = NO_FAULTS, 0
                self._bucket.settle()
            try:
                work()
                return
            except (Unavailable, OSError):
                if attempt == ATTEMPTS_MAX:
                    raise
                self.clock.advance(1.0)


async def _ended(loop: asyncio.AbstractEventLoop) -> None:
    """No task of an event loop runs any more, and no thread of its own."""
    others = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await loop.shutdown_default_executor()
