"""Slow reads are made once more, fast ones are not; and never more often than is allowed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lodur.model.clock import ManualClock
from lodur.model.errors import NotFound
from lodur.store.cloud_clients import open_object_store
from lodur.store.hedged_store import HedgeAllowance, HedgedStore
from lodur.store.object_store import ObjectStore
from lodur.store.options import HedgingOptions, RetryOptions, S3Options
from lodur.telemetry.store_metrics import StoreMetrics
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server
from tests.servers.store_proxy import StoreProxy

AFTER_S = 0.05


class SlowOnes:
    """A proxy whose first `count` reads wait until they are let go."""

    def __init__(self, proxy: StoreProxy, count: int) -> None:
        self.let_go = threading.Event()
        self._left = count
        self._lock = threading.Lock()
        proxy.before = self.wait

    def wait(self, action: str, _: str) -> None:
        with self._lock:
            is_slow = action == "s3:GetObject" and self._left > 0
            self._left -= is_slow
        if is_slow:
            self.let_go.wait(30)


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[StoreProxy]:
    with StoreProxy(s3_server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def plain(s3_server: S3Server, proxy: StoreProxy, tmp_path: Path) -> ObjectStore:
    options = S3Options(
        bucket=s3_server.new_bucket(),
        endpoint_url=proxy.endpoint,
        access_key_id=s3_server.access_key,
        secret_access_key=s3_server.secret_key,
        path_style=True,
        allow_http=True,
        retries=RetryOptions(0, 0.01, 0.01),
    )
    made = open_object_store(options, spool_directory=tmp_path / "spool")
    assert made.replace_if("t/x", b"0123456789", None) is not None
    return made


@pytest.fixture
def store(plain: ObjectStore, registry: CollectorRegistry, clock: ManualClock) -> HedgedStore:
    return HedgedStore(plain, HedgingOptions(AFTER_S, 2, 2), HedgeAllowance(2, clock), StoreMetrics(registry))


def counted(registry: CollectorRegistry) -> tuple[float | None, float | None]:
    names = ("lodur_object_store_hedged_reads_total", "lodur_object_store_hedged_reads_won_total")
    return registry.get_sample_value(names[0]), registry.get_sample_value(names[1])


def read_blocking(store: HedgedStore) -> list[bytes]:
    return store.get_ranges("t/x", [(2, 3)])


def read_async(store: HedgedStore) -> list[bytes]:
    return asyncio.run(store.read_ranges("t/x", [(2, 3)]))


@pytest.mark.parametrize("read", [read_blocking, read_async])
def test_a_slow_read_is_overtaken(
    store: HedgedStore, proxy: StoreProxy, registry: CollectorRegistry, read: object
) -> None:
    assert callable(read)
    slow = SlowOnes(proxy, 1)
    assert read(store) == [b"234"]
    # Both are counted beside what reads.
    wait_until(lambda: proxy.requests["s3:GetObject"] == 2, deadline_s=10, what="both reads to come")
    wait_until(lambda: counted(registry) == (1, 1), deadline_s=10, what="the count of overtaken reads")
    slow.let_go.set()


def test_a_fast_read_is_made_once(plain: ObjectStore, proxy: StoreProxy) -> None:
    patient = HedgedStore(
        plain, HedgingOptions(20.0, 2, 2), HedgeAllowance(2, ManualClock()), StoreMetrics(registry=CollectorRegistry())
    )
    assert read_blocking(patient) == read_async(patient) == [b"234"]
    assert proxy.requests["s3:GetObject"] == 2


def test_what_is_missing_is_missing(store: HedgedStore) -> None:
    assert store.get("t/y") is None
    with pytest.raises(NotFound):
        store.get_ranges("t/y", [(0, 1)])
    with pytest.raises(NotFound):
        asyncio.run(store.read_ranges("t/y", [(0, 1)]))


def test_without_allowance_a_slow_read_is_waited_for(
    store: HedgedStore, proxy: StoreProxy, registry: CollectorRegistry, clock: ManualClock
) -> None:
    for _ in range(2):
        slow = SlowOnes(proxy, 1)
        assert read_blocking(store) == [b"234"]
        slow.let_go.set()
    proxy.forget()
    slow = SlowOnes(proxy, 1)
    timer = threading.Timer(4 * AFTER_S, slow.let_go.set)
    timer.start()
    assert read_blocking(store) == [b"234"]
    timer.join()
    assert proxy.requests["s3:GetObject"] == 1
    assert counted(registry) == (2, 2)


def test_an_allowance_comes_back_with_time() -> None:
    clock = ManualClock()
    allowance = HedgeAllowance(2, clock)
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    clock.advance(0.5)
    assert [allowance.take() for _ in range(2)] == [True, False]
    clock.advance(3600)
    assert [allowance.take() for _ in range(3)] == [True, True, False]
