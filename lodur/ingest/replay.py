"""Put the WAL's records back into the heads at start, but for what segments have already.

Records are read and decoded ahead on several threads and put into the heads in their order. Rows in memory are bounded:
as long as there are more to come than may stay, full heads are flushed while others are read, and where all of them
together are too much, reading waits for that. What may stay is flushed when the server is ready. Start at `Replay.run`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from lodur.ingest.day_learning import DayLearning
from lodur.ingest.quarantine import Quarantine
from lodur.ingest.recent_pushes import RecentPushes
from lodur.ingest.record_decoding import Decoded, RecordDecoder, decoded_ahead
from lodur.ingest.record_kinds import REENCODED
from lodur.ingest.tenant_states import IngestLimitsOf
from lodur.model.clock import Clock
from lodur.model.errors import LodurError, Unavailable
from lodur.store.journal import WalProblem, WalRecord
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.telemetry.ingest_metrics import IngestMetrics

PROGRESS_EVERY_S = 2.0

FLUSHES_AT_ONCE = 2
"""Beside the reading: more tenants' rows are seldom full at a time, and reading is what the start waits for."""

KEPT_RATIO = 0.9
"""Part of the memory for rows that may be taken while records are read, and when the server becomes ready: flushing
before that is what a start waits for longest, and the rest is room for the pushes that come while it is done."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Replayed:
    """What was read so far."""

    records: int = 0
    bytes: int = 0
    row_bytes: int = 0
    """Of the lines and metadata of all records that could be read."""
    rows: int = 0
    unreadable: int = 0


class Replay:
    """One reading of the WAL. Blocks; before any push."""

    def __init__(
        self,
        store: Store,
        limits_of: IngestLimitsOf,
        recent: RecentPushes,
        *,
        learn_day: Callable[[TenantStore, int], None],
        flush: Callable[[TenantStore], None],
        flush_bytes: int,
        memory_max_bytes: int,
        stopping: threading.Event,
        clock: Clock,
        metrics: IngestMetrics,
        quarantine: Quarantine | None = None,
    ) -> None:
        """`learn_day` and `flush` try until they succeed, or raise what ends the reading.

        Any thread calls them, `learn_day` once for each tenant's day and before any row of it is in memory.
        """
        self._store = store
        self._quarantine = quarantine
        self._recent = recent
        self._learn_day = learn_day
        self._flush = flush
        self._flush_bytes = flush_bytes
        self._kept_max_bytes = int(memory_max_bytes * KEPT_RATIO)
        self._stopping = stopping
        self._clock = clock
        self._metrics = metrics
        self._decoder = RecordDecoder(limits_of)
        self._so_far = Replayed()
        self._all_bytes = store.journal.replay_bytes()
        self._threads: ThreadPoolExecutor
        """While it runs."""
        self._flushes: dict[TenantStore, Future[None]] = {}

    def progress(self) -> str:
        """For `/ready`."""
        return f"reading back the write-ahead log: {self._so_far.records} records, {self._so_far.rows} rows so far"

    def run(self) -> Replayed:
        """Read all; what is damaged is logged and left out. Raises OSError where the WAL cannot be read.

        Raises Unavailable where the server stops meanwhile.
        """
        so_far, begun_s = self._so_far, self._clock.monotonic_s()
        said_s = begun_s
        self._metrics.replay_active.set(1)
        with (
            closing(DayLearning(self._store, self._learn_day)) as days,
            ThreadPoolExecutor(FLUSHES_AT_ONCE, "replay-flush") as self._threads,
            closing(self._decoded(days)) as records,
        ):
            for record, decoded in records:
                if self._stopping.is_set():
                    raise Unavailable("the server is stopping")
                if isinstance(decoded, Decoded):
                    # What segments have of the days of its rows is known before these come; else they came twice.
                    days.finish(decoded.tenant, decoded.push)
                self._replay_record(record, decoded)
                now_s = self._clock.monotonic_s()
                if now_s - said_s >= PROGRESS_EVERY_S:
                    said_s = now_s
                    self._say("reading back the write-ahead log", begun_s)
            self._finish_flushes()
        for problem in self._store.journal.problems():
            self._count_damage()
            _log.error(
                "write-ahead log is damaged",
                kind=problem.kind,
                file=str(problem.file),
                offset=problem.offset,
                bytes=problem.bytes,
                err=problem.message,
                kept=self._kept(partial(_keep_tail, problem)),
            )
            if self._quarantine is not None and not self._quarantine.is_kept(problem):
                self._keep_all(problem.message)
        self._metrics.replay_active.set(0)
        self._metrics.replay_seconds.set(self._clock.monotonic_s() - begun_s)
        self._metrics.recovered_rows.inc(so_far.rows)
        self._metrics.recovered_bytes.inc(so_far.bytes)
        if so_far.records:
            self._say("write-ahead log read back", begun_s)
        return so_far

    def _decoded(self, days: DayLearning) -> Generator[tuple[WalRecord, Decoded | LodurError]]:
        return decoded_ahead(
            self._decoder, self._store.journal.replay(), lambda decoded: days.begin(decoded.tenant, decoded.push)
        )

    def _count_damage(self) -> None:
        self._metrics.replay_damage.inc()
        self._metrics.corruptions.labels("segment").inc()

    def _replay_record(self, record: WalRecord, decoded: Decoded | LodurError) -> None:
        so_far = self._so_far
        so_far.records += 1
        so_far.bytes += len(record.payload)
        try:
            if isinstance(decoded, LodurError):
                raise decoded
            tenant_store = self._store.tenant(decoded.tenant)
            so_far.rows += self._insert(tenant_store, record, decoded)
        except Unavailable:
            raise
        except LodurError as error:
            so_far.unreadable += 1
            self._count_damage()
            _log.error(
                "record of the write-ahead log cannot be read, it is left out",
                file=str(record.file),
                offset=record.offset,
                seq=record.seq,
                tenant=record.tenant,
                err=str(error),
                kept=self._kept(partial(_keep_record, record, str(error))),
            )
            return
        if tenant_store.head_size().bytes >= self._flush_bytes:
            # In steps, so that memory is given back step by step.
            tenant_store.freeze(in_haste=True)
        if tenant_store.unflushed() and not self._fits():
            self._begin_flush(tenant_store)
        while self._store.head_bytes() >= self._kept_max_bytes:
            self._make_room()

    def _fits(self) -> bool:
        """Whether the rows in memory and those that are still to come may stay there, as far as can be told."""
        so_far = self._so_far
        rest_bytes = max(self._all_bytes - so_far.bytes, 0) * so_far.row_bytes / max(so_far.bytes, 1)
        return self._store.head_bytes() + rest_bytes < self._kept_max_bytes

    def _begin_flush(self, tenant_store: TenantStore) -> None:
        """Flush a tenant's oldest rows while others are read, unless that is being done.

        Raises what an earlier one raised.
        """
        running = self._flushes.get(tenant_store)
        if running is not None and not running.done():
            return
        if running is not None:
            running.result()
        self._flushes[tenant_store] = self._threads.submit(self._flush, tenant_store)

    def _make_room(self) -> None:
        running = [flush for flush in self._flushes.values() if not flush.done()]
        if running:
            wait(running, return_when=FIRST_COMPLETED)
        else:
            self._begin_flush(max(self._store.tenants(), key=_memory_bytes))
        for tenant_store in [each for each, flush in self._flushes.items() if flush.done()]:
            self._flushes.pop(tenant_store).result()

    def _finish_flushes(self) -> None:
        for flush in self._flushes.values():
            flush.result()
        self._flushes.clear()

    def _kept(self, keep: Callable[[Quarantine], Path | None]) -> str | None:
        """Where something was put aside. Where that failed, no record is trimmed until the next start tries again."""
        if self._quarantine is None:
            return None
        try:
            path = keep(self._quarantine)
        except OSError as error:
            self._keep_all(str(error))
            return None
        return str(path) if path else None

    def _keep_all(self, reason: str) -> None:
        self._store.marks.keep_all()
        _log.error("what cannot be read cannot be put aside, nothing is trimmed until the next start", err=reason)

    def _insert(self, tenant_store: TenantStore, record: WalRecord, decoded: Decoded) -> int:
        through = tenant_store.forget_deleted(self._store.deletes_through(tenant_store.tenant, record.accepted_at_ns))
        appended = tenant_store.replay(
            decoded.push, seq=record.seq, accepted_at_ns=record.accepted_at_ns, now_s=self._clock.monotonic_s()
        )
        self._so_far.row_bytes += decoded.push.accepted_bytes
        # What segments have of it may have been deleted with the rows that came before it.
        if record.kind != REENCODED and (appended.new_rows or not through):
            self._recent.remember(tenant_store.tenant, record.kind, decoded.kept.body, deletes_through=through)
        return appended.new_rows

    def _say(self, text: str, begun_s: float) -> None:
        so_far, seconds = self._so_far, max(self._clock.monotonic_s() - begun_s, 1e-6)
        _log.info(
            text,
            records=so_far.records,
            bytes=so_far.bytes,
            rows=so_far.rows,
            records_per_s=round(so_far.records / seconds),
            row_bytes=so_far.row_bytes,
            row_bytes_per_s=round(so_far.row_bytes / seconds),
            seconds=round(seconds, 1),
        )


def _memory_bytes(tenant_store: TenantStore) -> int:
    size = tenant_store.head_size()
    return size.bytes + size.frozen_bytes


def _keep_record(record: WalRecord, reason: str, quarantine: Quarantine) -> Path:
    return quarantine.keep_record(record, reason)


def _keep_tail(problem: WalProblem, quarantine: Quarantine) -> Path | None:
    return quarantine.keep_tail(problem)
