"""One process of the bench: writer, store, compactor and engine as a server has them, without HTTP or waiting."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from prometheus_client import CollectorRegistry

from lodur.ingest.quarantine import Quarantine
from lodur.ingest.replay import Replay
from lodur.ingest.writer import WHOLE, Writer
from lodur.kernels.push_decode import ContentEncoding, PushFormat
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE
from lodur.model.errors import Unavailable
from lodur.model.limits import MIB, IngestLimits, QueryLimits
from lodur.query.answers import StreamsAnswer, VectorAnswer
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.requests import InstantRequest, RangeRequest
from lodur.store.compaction.compactor import Compactor
from lodur.store.compaction.options import KEEP_ALL, CompactionPolicy, CompactorOptions
from lodur.store.days import NS_PER_DAY
from lodur.store.manifest_store import Committed, stored_days
from lodur.store.object_stores import ObjectStores
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.telemetry.compaction_metrics import CompactionMetrics
from lodur.telemetry.ingest_metrics import IngestMetrics
from lodur.wire.push_body import PushForm
from tests.compacting_node import TENANT, Row
from tests.faults.faulty_journal import FaultyJournal
from tests.faults.faulty_store import NO_FAULTS, Bucket, FaultyStore

JSON = PushForm(PushFormat.LOKI_JSON, ContentEncoding.IDENTITY)

ATTEMPTS_MAX = 30
"""Of what a server tries until it succeeds; then the faults end."""

OPTIONS = CompactorOptions(
    reader_grace_ns=NS_PER_MINUTE,
    policy=CompactionPolicy(target_bytes=1500, settled_after_ns=NS_PER_HOUR, cold_after_ns=6 * NS_PER_HOUR),
)
"""Sizes of some ten rows, so that all rules of the policy have their turn."""

SPAN_NS = (-(2**62), 2**62)


class Process:
    """A process that can be started again over the same disk. `name` is that of its write-ahead log."""

    def __init__(
        self,
        bucket: Bucket,
        directory: Path,
        name: str,
        seed: str,
        clock: ManualClock,
        *,
        remote: bool,
    ) -> None:
        self.name = name
        self.clock = clock
        self.rates = NO_FAULTS
        self._bucket = bucket
        self._seed = f"{seed} {name}"
        self._remote = remote
        self.starts = 0
        self.wal_directory = directory / f"wal-{name}"
        self._spool = directory / f"spool-{name}"
        self.wal_directory.mkdir(parents=True)
        self._spool.mkdir()
        chosen = uuid.UUID(int=Random(self._seed).getrandbits(128), version=4)
        (self.wal_directory / "writer-id").write_text(f"{chosen}\n")
        self.knows_all_days = True
        self.start()

    def start(self) -> None:
        """Begin, as after a restart. Raises Crash."""
        self.starts += 1
        seed = f"{self._seed} {self.starts}"
        self.journal = FaultyJournal(self.wal_directory, Random(seed), self.rates.crashed)
        self.objects = FaultyStore(
            self._bucket, self._spool, seed, self.clock, rates=self.rates, is_remote=self._remote
        )
        self.store = Store(ObjectStores([(-(2**63), self.objects)]), self.journal)
        self.registry = CollectorRegistry()
        ingest_metrics = IngestMetrics(self.registry)
        limits = IngestLimits(reject_old_samples=False, rate_bytes=1 << 40, burst_bytes=1 << 40)
        self.writer = Writer(
            self.store,
            lambda _: limits,
            decompressed_max_bytes=MIB,
            head_max_bytes=1 << 30,
            stream_errors_max=10,
            disk=None,
            clock=self.clock,
            metrics=ingest_metrics,
            on_growth=lambda _: None,
            on_rows=lambda _tenant, _push: None,
        )
        self.compactor = Compactor(
            self.store,
            OPTIONS,
            retention=lambda _: KEEP_ALL,
            clock=self.clock,
            metrics=CompactionMetrics(self.registry),
        )
        unlimited = QueryLimits(entries_max=0, length_max_ns=0)
        self.engine = Engine(self.store, QuerierOptions(threads=1), self.clock, lambda _: unlimited, damage=self.store)
        self._insist(self.store.load)
        self.knows_all_days = not self.objects.stale_lists
        replay = Replay(
            self.store,
            lambda _: limits,
            self.writer.recent,
            flush=lambda tenant_store: self._insist(lambda: self._flush(tenant_store)),
            flush_bytes=500,
            # So little that some replays flush meanwhile, and others leave that for later.
            memory_max_bytes=2_000,
            stopping=threading.Event(),
            clock=self.clock,
            metrics=ingest_metrics,
            quarantine=Quarantine(self.wal_directory / "quarantine"),
        )
        replay.run()

    @property
    def tenant_store(self) -> TenantStore:
        return self.store.tenant(TENANT)

    @property
    def has_found_damage(self) -> bool:
        return bool(self.registry.get_sample_value("lodur_wal_replay_damage_total"))

    def push(self, rows: Sequence[Row]) -> None:
        """Send a body; returns when it is acknowledged. Raises Unavailable, Crash."""
        streams = [{"stream": {"app": app}, "values": [[str(ts_ns), line]]} for app, ts_ns, line in rows]
        outcome = self.writer.keep(TENANT, json.dumps({"streams": streams}).encode(), JSON)
        assert outcome.status == WHOLE, outcome

    def flush(self) -> None:
        """One attempt to bring all rows into segments. Raises as `ObjectStore`, OSError, Crash."""
        self._flush(self.tenant_store)

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

    def refresh(self) -> None:
        """Learn what other processes have committed. Raises as `ObjectStore`, Crash."""
        for day in stored_days(self.objects.inner, TENANT):
            self.store.refresh(self.tenant_store, day)

    def rows(self) -> list[Row]:
        """All entries that a query finds. Raises as `ObjectStore`."""
        start_ns, end_ns = SPAN_NS
        request = RangeRequest(text='{app=~".+"}', start_ns=start_ns, end_ns=end_ns, step_ns=10**9, limit=100_000)
        answer = asyncio.run(self.engine.range((TENANT,), request))
        assert isinstance(answer, StreamsAnswer)
        streams = json.loads(answer.result.streams_json(categorize=False))
        return sorted((one["stream"]["app"], int(ts_ns), line) for one in streams for ts_ns, line in one["values"])

    def counted(self) -> int:
        """All entries as a metric query counts them. Raises as `ObjectStore`."""
        request = InstantRequest(
            text='sum(count_over_time({app=~".+"}[100d]))', time_ns=self.clock.now_ns() + NS_PER_DAY
        )
        answer = asyncio.run(self.engine.instant((TENANT,), request))
        assert isinstance(answer, VectorAnswer)
        return int(answer.matrix.values.sum()) if answer.matrix.labels else 0

    def stop(self) -> None:
        """Keep nothing but what is on disk."""
        self.compactor.stop()
        self.compactor.close()
        self.engine.close()
        self.writer.close()
        self.store.close()

    def _insist(self, work: Callable[[], object]) -> None:
        for attempt in range(ATTEMPTS_MAX + 1):
            if attempt == ATTEMPTS_MAX:
                self.objects.rates = NO_FAULTS
                self._bucket.settle()
            try:
                work()
                return
            except (Unavailable, OSError):
                if attempt == ATTEMPTS_MAX:
                    raise
                self.clock.advance(1.0)
