"""A server's store without HTTP, over a directory that several of them share: push, flush, compact, crash, read.

The crash is an error from the object store before or after a write was carried out; what is in memory is then dropped.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from lodur.ingest.quarantine import Quarantine
from lodur.ingest.recent_pushes import RecentPushes
from lodur.ingest.replay import Replay
from lodur.kernels.push_decode import ContentEncoding, PushFormat
from lodur.model.clock import ManualClock
from lodur.model.limits import DeletionMode, IngestLimits, QueryLimits
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.answers import StreamsAnswer
from lodur.query.delete_queries import plan_of_request
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.requests import RangeRequest
from lodur.store.compaction.compactor import Compactor
from lodur.store.compaction.options import KEEP_ALL, CompactorOptions, RetentionPeriods
from lodur.store.delete_service import DeleteOptions, DeleteService, status_text
from lodur.store.deletes.deletions import Deletions
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import REENCODED, Wal, WalOptions
from lodur.store.manifest_store import Committed, stored_days
from lodur.store.object_stores import ObjectStores
from lodur.store.object_wal.lease import is_gone
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.telemetry.compaction_metrics import CompactionMetrics
from lodur.telemetry.ingest_metrics import IngestMetrics
from lodur.wire.push_body import PushForm, PushLimits, decode

TENANT = TenantId("t")

Row = tuple[str, int, str]
"""Application, timestamp, line."""

FOREVER_NS = (-(2**62), 2**62)


class Crash(BaseException):
    """The process dies here: no handler of errors may live on."""


class CrashingStore(FilesystemStore):
    """A store on disk whose n-th write from now on is the last thing that the process does."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.writes_left: int | None = None
        self.dies_after = False

    def put_file(self, path: str, source: Path) -> None:
        dies = self._dies()
        super().put_file(path, source)
        self._end(dies)

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        dies = self._dies()
        made = super().replace_if(path, data, version)
        self._end(dies)
        return made

    def delete(self, path: str) -> None:
        dies = self._dies()
        super().delete(path)
        self._end(dies)

    def _dies(self) -> bool:
        if self.writes_left is None:
            return False
        self.writes_left -= 1
        if self.writes_left < 0 and not self.dies_after:
            raise Crash
        return self.writes_left < 0

    def _end(self, dies: bool) -> None:
        if dies:
            raise Crash


@dataclass
class Node:
    """One process; `name` is that of its WAL."""

    directory: Path
    clock: ManualClock
    name: str = "a"
    options: CompactorOptions = field(default_factory=CompactorOptions)
    periods: RetentionPeriods = KEEP_ALL
    target: str = "store"
    mode: DeletionMode = DeletionMode.FILTER_AND_DELETE
    keeps_deletes: bool = True
    """Whether it knows of delete requests."""

    requests_made: int = 0
    """By which delete requests are called: equal histories have equal ones."""

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin, as after a restart."""
        self.objects = CrashingStore(self.directory / self.target)
        self.wal = Wal.open(WalOptions(path=self.directory / f"wal-{self.name}", max_file_bytes=4096))
        self.deletions = Deletions(self.objects, plan_of_request, self.clock, mode_of=lambda _: self.mode)
        self.store = Store(
            ObjectStores([(-(2**63), self.objects)]), self.wal, deletions=self.deletions if self.keeps_deletes else None
        )
        self.store.load()
        limits = IngestLimits(reject_old_samples=False)
        replay = Replay(
            self.store,
            lambda _: limits,
            RecentPushes(),
            learn_day=self.store.learn_day,
            flush=self._flush,
            flush_bytes=1 << 30,
            memory_max_bytes=1 << 30,
            stopping=threading.Event(),
            clock=self.clock,
            metrics=IngestMetrics(CollectorRegistry()),
            quarantine=Quarantine(self.directory / f"wal-{self.name}" / "quarantine"),
        )
        replay.run()
        self.registry = CollectorRegistry()
        metrics = CompactionMetrics(self.registry)
        self.compactor = Compactor(
            self.store,
            self.options,
            retention=lambda _: self.periods,
            clock=self.clock,
            metrics=metrics,
            is_gone=partial(is_gone, self.store.stores.each()),
        )
        self.deletes = DeleteService(
            self.store,
            self.deletions,
            DeleteOptions(enabled=True, cancel_period_ns=self.options.delete_cancel_period_ns),
            self.clock,
            new_id=self._new_id,
            metrics=metrics.deletes,
        )
        self.engine = Engine(
            self.store,
            QuerierOptions(threads=1),
            self.clock,
            lambda _: QueryLimits(entries_max=0, length_max_ns=0),
            damage=self.store,
        )

    def _new_id(self) -> str:
        self.requests_made += 1
        return f"{ord(self.name[0]):02x}{self.requests_made:06x}"

    @property
    def tenant_store(self) -> TenantStore:
        return self.store.tenant(TENANT)

    def push(self, rows: Sequence[Row]) -> None:
        streams = [{"stream": {"app": app}, "values": [[str(ts_ns), line]]} for app, ts_ns, line in rows]
        form = PushForm(PushFormat.LOKI_JSON, ContentEncoding.IDENTITY)
        now_ns = self.clock.now_ns()
        decoded = decode(json.dumps({"streams": streams}).encode(), form, PushLimits.unchecked(), now_ns)
        assert decoded.accepted_lines == len(rows)
        self.tenant_store.forget_deleted(self.store.deletes_through(TENANT, now_ns))
        self.tenant_store.append(
            decoded, kind=REENCODED, payload=decoded.to_body(), accepted_at_ns=now_ns, now_s=self.clock.monotonic_s()
        )

    def flush(self) -> None:
        """All rows to committed segments."""
        self._flush(self.tenant_store)
        self.store.trim_wal()

    def _flush(self, tenant_store: TenantStore) -> None:
        tenant_store.freeze()
        for generation in tenant_store.unflushed():
            done: dict[int, Committed] = {}
            self.store.writer.flush(tenant_store, generation, done)
            tenant_store.flushed(generation, done)

    def compact(self) -> None:
        """One run of the compactor, as at its interval."""
        self.compactor.run_once()
        failures = self.metric("lodur_compaction_failures_total")
        assert not failures, failures

    def metric(self, name: str) -> float:
        return self.registry.get_sample_value(name) or 0.0

    def refresh(self) -> None:
        """Learn what other processes have committed."""
        self.deletions.refresh(TENANT)
        for day in stored_days(self.objects, TENANT):
            self.store.refresh(self.tenant_store, day)

    def delete(self, query: str, start_ns: int, end_ns: int) -> str:
        """Make a delete request; its id."""
        new = self.deletes.new_request(query, TimeSpan(start_ns, end_ns), max_interval_ns=0, by="test")
        return self.deletes.add(TENANT, new).id

    def statuses(self) -> dict[str, str]:
        """How far each request has got."""
        return {one.request.id: status_text(one) for one in self.deletes.all(TENANT)}

    def rows(self) -> list[Row]:
        """All entries that a query finds."""
        start_ns, end_ns = FOREVER_NS
        request = RangeRequest(text='{app=~".+"}', start_ns=start_ns, end_ns=end_ns, step_ns=10**9, limit=100_000)
        answer = asyncio.run(self.engine.range((TENANT,), request))
        assert isinstance(answer, StreamsAnswer)
        streams = json.loads(answer.result.streams_json(categorize=False))
        return sorted((one["stream"]["app"], int(ts_ns), line) for one in streams for ts_ns, line in one["values"])

    def counted_rows(self) -> int:
        """Rows of live segments and of the head, repeated ones as often as they are stored."""
        metas, views = self.tenant_store.snapshot(*FOREVER_NS)
        return sum(meta.rows for meta in metas) + sum(view.rows for view in views)

    def files(self) -> list[str]:
        """Objects of segments."""
        return [listed.path for listed in self.objects.list_objects(f"{TENANT}/segments")]

    def stop(self) -> None:
        """Keep nothing but what is on disk."""
        self.compactor.stop()
        self.compactor.close()
        self.engine.close()
        self.store.close()
