"""Which flushes are compressed for good: large segments of long runs, told by day."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from prometheus_client import CollectorRegistry

from lodur.ingest.flush_policy import FlushPolicy
from lodur.ingest.flusher import Flusher
from lodur.kernels.head import Head
from lodur.kernels.push_decode import ContentEncoding, DecodedPush, PushFormat
from lodur.model.clock import ManualClock
from lodur.model.limits import MIB
from lodur.model.tenant import TenantId
from lodur.store.days import NS_PER_DAY
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.flush_level import (
    FAST_ZSTD_LEVEL,
    IN_HASTE_ZSTD_LEVEL,
    RowCount,
    RowsOfDay,
    zstd_level_of,
)
from lodur.store.journal import REENCODED, NoJournal
from lodur.store.manifest import SegmentMeta
from lodur.store.manifest_store import Committed
from lodur.store.object_stores import ObjectStores
from lodur.store.options import FOR_GOOD_BYTES_MIN, FOR_GOOD_RUN_ROWS_MIN, FlushOptions, SegmentCodec
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.telemetry.ingest_metrics import IngestMetrics
from lodur.wire.push_body import PushForm, PushLimits, decode

DAY = 20_000
JSON = PushForm(PushFormat.LOKI_JSON, ContentEncoding.IDENTITY)
GOOD = RowsOfDay(rows=10 * FOR_GOOD_RUN_ROWS_MIN, streams=10, bytes=FOR_GOOD_BYTES_MIN)
OPTIONS = FlushOptions(cold_zstd_level=5)


@pytest.mark.parametrize(
    ("rows", "options", "level"),
    [
        (GOOD, OPTIONS, 5),
        (GOOD, FlushOptions(), 6),
        (GOOD, replace(OPTIONS, cold_zstd_level=9), 9),
        # Such a level is for the compactor: pushes wait for flushes.
        (GOOD, replace(OPTIONS, cold_zstd_level=10), FAST_ZSTD_LEVEL),
        (GOOD, replace(OPTIONS, cold_zstd_level=19), FAST_ZSTD_LEVEL),
        (replace(GOOD, bytes=FOR_GOOD_BYTES_MIN - 1), OPTIONS, FAST_ZSTD_LEVEL),
        (replace(GOOD, bytes=9), replace(OPTIONS, for_good_bytes_min=9), 5),
        (replace(GOOD, bytes=8), replace(OPTIONS, for_good_bytes_min=9), FAST_ZSTD_LEVEL),
        (replace(GOOD, rows=20, streams=10), replace(OPTIONS, for_good_run_rows_min=2), 5),
        (replace(GOOD, rows=19, streams=10), replace(OPTIONS, for_good_run_rows_min=2), FAST_ZSTD_LEVEL),
        (replace(GOOD, rows=GOOD.rows - 1), OPTIONS, FAST_ZSTD_LEVEL),
        (replace(GOOD, streams=GOOD.streams + 1), OPTIONS, FAST_ZSTD_LEVEL),
        (None, OPTIONS, FAST_ZSTD_LEVEL),
        (GOOD, replace(OPTIONS, cold_zstd_level=0), FAST_ZSTD_LEVEL),
        (GOOD, replace(OPTIONS, codec=SegmentCodec.LZ4), FAST_ZSTD_LEVEL),
    ],
)
def test_large_flushes_of_long_runs_are_for_good(rows: RowsOfDay | None, options: FlushOptions, level: int) -> None:
    assert zstd_level_of(rows, options) == level


def push(day: int, rows: int, line_bytes: int, apps: Sequence[str] = ("x",)) -> DecodedPush:
    """So many rows in each stream of a day."""
    first_ns, line = day * NS_PER_DAY, "x" * line_bytes
    streams = [
        {"stream": {"app": app}, "values": [[str(first_ns + row), f"{row:08}{line[8:]}"] for row in range(rows)]}
        for app in apps
    ]
    return decode(orjson.dumps({"streams": streams}), JSON, PushLimits.unchecked(), 0)


def test_the_rows_of_an_only_day_are_known_at_once() -> None:
    head = Head()
    head.insert(push(DAY, 32, MIB, "xy"))
    count, in_haste = RowCount(head, OPTIONS), RowCount(head, OPTIONS, in_haste=True)
    head.freeze()
    assert count.of_day(DAY, is_only_day=True) == RowsOfDay(64, 2, 64 * MIB)
    assert in_haste.of_day(DAY, is_only_day=True) is None
    assert count.zstd_level(DAY, is_only_day=True) == FAST_ZSTD_LEVEL
    assert in_haste.zstd_level(DAY, is_only_day=True) == IN_HASTE_ZSTD_LEVEL
    # It waits for its flush when the next ones are frozen.
    head.insert(push(DAY, 64, MIB))
    assert RowCount(head, OPTIONS).of_day(DAY, is_only_day=True) is None


def test_few_rows_are_not_counted() -> None:
    head = Head()
    head.insert(push(DAY, 3, 10, "xy"))
    count = RowCount(head, OPTIONS)
    assert count.of_day(DAY, is_only_day=True) is None
    assert count.of_day(DAY, is_only_day=False) is None


def test_days_are_told_apart_where_the_rows_are_many() -> None:
    head = Head()
    head.insert(push(DAY, 65, MIB))
    head.insert(push(DAY + 1, 2, 10, "xyz"))
    count = RowCount(head, OPTIONS)
    head.freeze()
    head.insert(push(DAY, 5, 10))
    assert count.of_day(DAY, is_only_day=False) == RowsOfDay(65, 1, 65 * MIB)
    assert count.of_day(DAY + 1, is_only_day=False) == RowsOfDay(6, 3, 60)
    # While they wait for their flush, they are in all that is seen of the head.
    head.insert(push(DAY, 65, MIB))
    assert RowCount(head, OPTIONS).of_day(DAY, is_only_day=False) is None


def flushed(directory: Path, pushes: Sequence[DecodedPush], options: FlushOptions) -> list[SegmentMeta]:
    """The segments of one flush, by day."""
    store = Store(ObjectStores([(0, FilesystemStore(directory))]), NoJournal(), segments=options)
    tenant_store = store.tenant(TenantId("t"))
    for one in pushes:
        tenant_store.append(one, kind=REENCODED, payload=b"", accepted_at_ns=0, now_s=0.0)
    generation = tenant_store.freeze()
    assert generation is not None
    done: dict[int, Committed] = {}
    store.writer.flush(tenant_store, generation, done)
    store.close()
    return [segment for day in sorted(done) for segment in done[day].manifest.segments]


def test_each_day_of_a_flush_has_its_level(tmp_path: Path) -> None:
    line_bytes = FOR_GOOD_BYTES_MIN // FOR_GOOD_RUN_ROWS_MIN
    pushes = [push(DAY, FOR_GOOD_RUN_ROWS_MIN, line_bytes), push(DAY + 1, 10, 100)]
    levels = {
        options: [segment.zstd_level for segment in flushed(tmp_path / str(number), pushes, options)]
        for number, options in enumerate((OPTIONS, replace(OPTIONS, codec=SegmentCodec.SNAPPY)))
    }
    assert list(levels.values()) == [[5, FAST_ZSTD_LEVEL], [0, 0]]


def test_other_sizes_may_be_compressed_for_good(tmp_path: Path) -> None:
    options = replace(OPTIONS, for_good_bytes_min=200, for_good_run_rows_min=4)
    pushes = [push(DAY, 4, 50), push(DAY + 1, 3, 100), push(DAY + 2, 4, 49)]
    assert [segment.zstd_level for segment in flushed(tmp_path, pushes, options)] == [
        5,
        FAST_ZSTD_LEVEL,
        FAST_ZSTD_LEVEL,
    ]


POLICY = FlushPolicy(flush_bytes=FOR_GOOD_BYTES_MIN, idle_s=60, age_s=600, head_max_bytes=1 << 30)


def full_store(directory: Path) -> tuple[Store, TenantStore]:
    """With the rows of one tenant in memory, large enough to be compressed for good."""
    store = Store(ObjectStores([(0, FilesystemStore(directory))]), NoJournal(), segments=OPTIONS)
    tenant_store = store.tenant(TenantId("t"))
    rows = push(DAY, FOR_GOOD_RUN_ROWS_MIN, FOR_GOOD_BYTES_MIN // FOR_GOOD_RUN_ROWS_MIN)
    tenant_store.append(rows, kind=REENCODED, payload=b"", accepted_at_ns=0, now_s=0.0)
    return store, tenant_store


def flusher_of(store: Store, policy: FlushPolicy, clock: ManualClock) -> Flusher:
    return Flusher(
        store,
        policy,
        check_period_s=0.01,
        concurrency=1,
        stopping=threading.Event(),
        clock=clock,
        metrics=IngestMetrics(CollectorRegistry()),
        when_quiet=lambda: None,
    )


@pytest.mark.parametrize(
    ("policy", "age_s", "level"),
    [
        (POLICY, 0.0, 5),
        (replace(POLICY, flush_bytes=1 << 30), 60.0, 5),
        (replace(POLICY, flush_bytes=1 << 30, idle_s=1000.0), 600.0, 5),
        (replace(POLICY, flush_bytes=1 << 30, head_max_bytes=FOR_GOOD_BYTES_MIN), 0.0, IN_HASTE_ZSTD_LEVEL),
    ],
    ids=["full", "idle", "max age", "pressure"],
)
def test_a_flush_that_pushes_wait_for_is_fast(tmp_path: Path, policy: FlushPolicy, age_s: float, level: int) -> None:
    store, tenant_store = full_store(tmp_path)
    clock = ManualClock(0)
    clock.advance(age_s)

    async def run() -> None:
        flusher = flusher_of(store, policy, clock)
        running = asyncio.create_task(flusher.run())
        until_s = time.monotonic() + 60
        while not tenant_store.live():
            assert time.monotonic() < until_s
            await asyncio.sleep(0.01)
        running.cancel()
        await flusher.stop(flush=False)

    asyncio.run(run())
    assert [segment.zstd_level for segment in tenant_store.live()] == [level]
    store.close()


def test_at_shutdown_nobody_waits_and_at_the_start_somebody_does(tmp_path: Path) -> None:
    store, tenant_store = full_store(tmp_path / "shutdown")

    async def shut_down() -> None:
        assert await flusher_of(store, POLICY, ManualClock(0)).stop(flush=True)

    asyncio.run(shut_down())
    assert [segment.zstd_level for segment in tenant_store.live()] == [5]
    store.close()
    store, tenant_store = full_store(tmp_path / "start")
    flusher_of(store, POLICY, ManualClock(0)).flush_now(tenant_store)
    assert [segment.zstd_level for segment in tenant_store.live()] == [IN_HASTE_ZSTD_LEVEL]
    store.close()


def test_a_later_attempt_for_another_reason_writes_the_same(tmp_path: Path) -> None:
    store, tenant_store = full_store(tmp_path)
    assert tenant_store.freeze(in_haste=True) is not None

    async def shut_down() -> None:
        assert await flusher_of(store, POLICY, ManualClock(0)).stop(flush=True)

    asyncio.run(shut_down())
    assert [segment.zstd_level for segment in tenant_store.live()] == [IN_HASTE_ZSTD_LEVEL]
    store.close()
