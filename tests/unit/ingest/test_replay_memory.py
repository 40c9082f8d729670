"""A WAL with more rows than may be in memory is read back whole: full heads are flushed while others are read.

One with fewer is read back without a flush, in its order, and past records that cannot be read.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lodur.ingest.recent_pushes import RecentPushes
from lodur.ingest.record_kinds import kind_of
from lodur.ingest.replay import Replay
from lodur.model.clock import ManualClock
from lodur.model.errors import Unavailable
from lodur.model.limits import IngestLimits
from lodur.model.tenant import TenantId
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import Wal, WalOptions
from lodur.store.manifest_store import Committed
from lodur.store.object_stores import ObjectStores
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.telemetry.ingest_metrics import IngestMetrics
from lodur.wire.push_body import push_form

NOW_NS = 1_700_000_000 * 10**9
JSON = push_form("application/json", "", is_legacy_path=False)
LIMITS = IngestLimits()
TENANTS = tuple(map(TenantId, "abc"))
PUSHES, ROWS, LINE_BYTES = 60, 20, 100
FLUSH_BYTES, MEMORY_BYTES = 10_000, 25_000


def opened(directory: Path) -> tuple[Wal, Store]:
    wal = Wal.open(WalOptions(path=directory / "wal", max_file_bytes=8192))
    store = Store(ObjectStores([(0, FilesystemStore(directory / "store"))]), wal)
    store.load()
    return wal, store


def filled(directory: Path) -> None:
    wal, store = opened(directory)
    for number in range(PUSHES):
        values = [[str(NOW_NS + number * ROWS + row), f"{number} {row} ".ljust(LINE_BYTES, "x")] for row in range(ROWS)]
        body = json.dumps({"streams": [{"stream": {"app": "x"}, "values": values}]}).encode()
        wal.append(TENANTS[number % len(TENANTS)].value, kind_of(JSON), NOW_NS, body)
    store.close()


def replayed(
    store: Store, flush_threads: set[str], *, fails: bool = False, memory_max_bytes: int = MEMORY_BYTES
) -> int:
    """Read the WAL back; the most bytes that were in memory."""
    peak_bytes = 0

    def flush(tenant_store: TenantStore) -> None:
        nonlocal peak_bytes
        peak_bytes = max(peak_bytes, store.head_bytes())
        flush_threads.add(threading.current_thread().name)
        if fails:
            raise Unavailable("the server is stopping")
        tenant_store.freeze()
        for generation in tenant_store.unflushed():
            done: dict[int, Committed] = {}
            store.writer.flush(tenant_store, generation, done)
            tenant_store.flushed(generation, done)
        store.trim_wal()

    Replay(
        store,
        lambda _: LIMITS,
        RecentPushes(),
        learn_day=store.learn_day,
        flush=flush,
        flush_bytes=FLUSH_BYTES,
        memory_max_bytes=memory_max_bytes,
        stopping=threading.Event(),
        clock=ManualClock(NOW_NS),
        metrics=IngestMetrics(CollectorRegistry()),
    ).run()
    return peak_bytes


def rows_in(store: Store) -> int:
    count = 0
    for tenant_store in store.tenants():
        metas, views = tenant_store.snapshot(0, 2**62)
        count += sum(meta.rows for meta in metas) + sum(view.rows for view in views)
    return count


def test_rows_are_flushed_while_others_are_read(tmp_path: Path) -> None:
    filled(tmp_path)
    threads: set[str] = set()
    _, store = opened(tmp_path)
    peak_bytes = replayed(store, threads)
    assert 0 < peak_bytes <= MEMORY_BYTES + ROWS * (LINE_BYTES + 50)
    assert threading.current_thread().name not in threads
    assert rows_in(store) == PUSHES * ROWS
    assert any(tenant_store.live() for tenant_store in store.tenants())
    store.close()
    # Again, with segments: nothing comes twice.
    _, again = opened(tmp_path)
    replayed(again, threads)
    assert rows_in(again) == PUSHES * ROWS
    again.close()


def test_rows_that_may_stay_are_left_for_later_flushes_in_their_order(tmp_path: Path) -> None:
    filled(tmp_path)
    threads: set[str] = set()
    _, store = opened(tmp_path)
    assert replayed(store, threads, memory_max_bytes=1 << 30) == 0
    assert not threads
    assert rows_in(store) == PUSHES * ROWS
    for tenant_store in store.tenants():
        generations = tenant_store.unflushed()
        assert [generation.up_to_seq for generation in generations] == sorted(
            generation.up_to_seq for generation in generations
        )
        assert all(generation.head_bytes < FLUSH_BYTES + ROWS * LINE_BYTES for generation in generations)
        times = [generation.frozen.min_ts_ns for generation in generations]
        assert len(times) >= 3
        assert times == sorted(times)
    store.close()


def test_repeated_and_unreadable_records_between_others(tmp_path: Path) -> None:
    wal, store = opened(tmp_path)
    sent = 0
    for number in range(200):
        values = [[str(NOW_NS + number), f"line {number}"]]
        body = json.dumps({"streams": [{"stream": {"app": "x"}, "values": values}]}).encode()
        wal.append("a", kind_of(JSON), NOW_NS, body)
        sent += 1
        if number % 10 == 0:
            wal.append("a", kind_of(JSON), NOW_NS, body)
            wal.append("a", kind_of(JSON), NOW_NS, body[:-3])
            wal.append("no/tenant", kind_of(JSON), NOW_NS, body)
    store.close()
    _, again = opened(tmp_path)
    replayed(again, set(), memory_max_bytes=1 << 30)
    assert rows_in(again) == sent
    again.close()


def test_a_flush_that_fails_ends_the_replay(tmp_path: Path) -> None:
    filled(tmp_path)
    _, store = opened(tmp_path)
    with pytest.raises(Unavailable, match="stopping"):
        replayed(store, set(), fails=True)
    store.close()
