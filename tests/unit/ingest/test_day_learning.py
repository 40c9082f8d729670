"""Days without a manifest are asked for once each, for many tenants at once, and before rows of them are put back."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lodur.ingest.day_learning import LEARN_AT_ONCE
from lodur.ingest.recent_pushes import RecentPushes
from lodur.ingest.record_kinds import kind_of
from lodur.ingest.replay import Replay
from lodur.model.clock import ManualClock
from lodur.model.errors import CorruptData
from lodur.model.limits import IngestLimits
from lodur.store.days import NS_PER_DAY
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import Wal, WalOptions
from lodur.store.object_stores import ObjectStores
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.telemetry.ingest_metrics import IngestMetrics
from lodur.wire.push_body import push_form

DAY = 19_000
JSON = push_form("application/json", "", is_legacy_path=False)
TENANTS = [f"tenant-{number}" for number in range(3 * LEARN_AT_ONCE)]
ROUNDS = 3
WAIT_S = 30.0


def filled(directory: Path) -> Store:
    """With a log of some records of each tenant, in turn, each with a row of two days."""
    wal = Wal.open(WalOptions(path=directory / "wal"))
    for number in range(ROUNDS):
        for tenant in TENANTS:
            values = [[str((DAY + day) * NS_PER_DAY + number), f"line {number}"] for day in range(2)]
            body = json.dumps({"streams": [{"stream": {"app": "x"}, "values": values}]}).encode()
            wal.append(tenant, kind_of(JSON), (DAY + 1) * NS_PER_DAY, body)
    wal.close()
    wal = Wal.open(WalOptions(path=directory / "wal"))
    return Store(ObjectStores([(0, FilesystemStore(directory / "store"))]), wal)


def replay(store: Store, learn_day: Callable[[TenantStore, int], None]) -> int:
    """Read the log back; how many rows."""
    return (
        Replay(
            store,
            lambda _: IngestLimits(reject_old_samples=False),
            RecentPushes(),
            learn_day=learn_day,
            flush=lambda _: None,
            flush_bytes=1 << 30,
            memory_max_bytes=1 << 30,
            stopping=threading.Event(),
            clock=ManualClock((DAY + 1) * NS_PER_DAY),
            metrics=IngestMetrics(CollectorRegistry()),
        )
        .run()
        .rows
    )


def test_days_of_many_tenants_are_asked_for_at_once_and_before_their_rows(tmp_path: Path) -> None:
    store = filled(tmp_path)
    # Nobody is answered before so many have asked.
    together = threading.Barrier(LEARN_AT_ONCE)
    lock = threading.Lock()
    asked: Counter[tuple[str, int]] = Counter()
    rows_before = at_once = most_at_once = 0

    def learn_day(tenant_store: TenantStore, day: int) -> None:
        nonlocal rows_before, at_once, most_at_once
        with lock:
            asked[tenant_store.tenant.value, day] += 1
            at_once += 1
            most_at_once = max(most_at_once, at_once)
        together.wait(WAIT_S)
        with lock:
            rows_before += tenant_store.head_size().rows
            at_once -= 1

    assert replay(store, learn_day) == len(TENANTS) * ROUNDS * 2
    assert asked == Counter((tenant, DAY + day) for tenant in TENANTS for day in range(2))
    assert rows_before == 0
    assert most_at_once == LEARN_AT_ONCE
    store.close()


def test_a_day_that_cannot_be_learned_ends_the_reading_before_its_rows_come(tmp_path: Path) -> None:
    store = filled(tmp_path)

    def learn_day(tenant_store: TenantStore, day: int) -> None:
        if (tenant_store.tenant.value, day) == (TENANTS[5], DAY + 1):
            raise CorruptData("written by a newer version", path="manifest", offset=0)

    with pytest.raises(CorruptData, match="newer version"):
        replay(store, learn_day)
    rows = {tenant_store.tenant.value: tenant_store.head_size().rows for tenant_store in store.tenants()}
    assert {tenant for tenant, count in rows.items() if count} == set(TENANTS[:5])
    store.close()


def test_a_reading_that_ends_early_leaves_no_threads_to_the_garbage_collector(tmp_path: Path) -> None:
    """It would wait for them wherever it begins: where that holds a lock that ending threads need, for ever."""
    store = filled(tmp_path)
    before = set(threading.enumerate())

    def learn_day(tenant_store: TenantStore, day: int) -> None:
        raise CorruptData("written by a newer version", path="manifest", offset=0)

    # What is raised keeps the frames of the reading, as does whoever tells of it.
    with pytest.raises(CorruptData):
        replay(store, learn_day)
    assert set(threading.enumerate()) == before
    store.close()
