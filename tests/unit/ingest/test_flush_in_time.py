"""A flush that is asked for, of a store that hangs: who asks is answered in time, and flushes stay one at a time."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lodur.ingest.flush_policy import FlushPolicy
from lodur.ingest.flusher import Flusher
from lodur.model.clock import ManualClock
from lodur.model.tenant import TenantId
from lodur.store.days import NS_PER_DAY
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import REENCODED, NoJournal
from lodur.store.object_stores import ObjectStores
from lodur.store.store import Store
from lodur.telemetry.ingest_metrics import IngestMetrics
from lodur.wire.push_body import PushLimits, decode, push_form

NOW_NS = 20_000 * NS_PER_DAY
HANGS_FOR_S = 30.0
WITHIN_S = 0.2
JSON = push_form("application/json", "", is_legacy_path=False)


class HangingStore(FilesystemStore):
    """A store whose uploads for some tenants hang until they are let go."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.goes_on = threading.Event()
        self.under_way = 0
        self.most_under_way = 0
        self._lock = threading.Lock()

    def put_file(self, path: str, source: Path) -> None:
        if path.startswith("hangs/"):
            with self._lock:
                self.under_way += 1
                self.most_under_way = max(self.most_under_way, self.under_way)
            self.goes_on.wait(HANGS_FOR_S)
            with self._lock:
                self.under_way -= 1
        super().put_file(path, source)


class Site:
    """A store with two tenants, and what flushes it."""

    def __init__(self, directory: Path) -> None:
        self.objects = HangingStore(directory)
        self.store = Store(ObjectStores([(0, self.objects)]), NoJournal())
        self.flusher = Flusher(
            self.store,
            FlushPolicy(1 << 30, 3600.0, 3600.0, 1 << 30),
            check_period_s=3600.0,
            concurrency=4,
            stopping=threading.Event(),
            clock=ManualClock(NOW_NS),
            metrics=IngestMetrics(CollectorRegistry()),
            when_quiet=lambda: None,
        )

    def push(self, tenant: str, line: str) -> None:
        body = {"streams": [{"stream": {"app": "x"}, "values": [[str(NOW_NS), line]]}]}
        decoded = decode(json.dumps(body).encode(), JSON, PushLimits.unchecked(), NOW_NS)
        tenant_store = self.store.tenant(TenantId(tenant))
        tenant_store.append(decoded, kind=REENCODED, payload=b"", accepted_at_ns=NOW_NS, now_s=0.0)

    def flushed_rows(self, tenant: str) -> int:
        return sum(segment.rows for segment in self.store.tenant(TenantId(tenant)).live())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.objects.goes_on.set()


def test_who_asks_is_told_of_how_many_tenants_rows_are_left(site: Site) -> None:
    async def ask() -> None:
        assert await site.flusher.flush_all(WITHIN_S) == 0
        site.push("hangs", "1")
        site.push("other", "1")
        assert await site.flusher.flush_all(WITHIN_S) == 1
        assert (site.flushed_rows("hangs"), site.flushed_rows("other")) == (0, 1)
        # What comes meanwhile is flushed too by those who ask again, though the first flush hangs.
        site.push("hangs", "2")
        site.push("other", "2")
        assert await site.flusher.flush_all(WITHIN_S) == 1
        assert (site.flushed_rows("hangs"), site.flushed_rows("other")) == (0, 2)
        site.objects.goes_on.set()
        assert await site.flusher.flush_all() == 0
        assert (site.flushed_rows("hangs"), site.flushed_rows("other")) == (2, 2)

    asyncio.run(ask())
    assert site.objects.most_under_way == 1


def test_whoever_stops_waiting_cancels_no_flush(site: Site) -> None:
    """Another one would begin beside it, and a manifest would cover what is in no segment."""

    async def leave() -> None:
        site.push("hangs", "1")
        asking = asyncio.create_task(site.flusher.flush_all())
        while not site.objects.under_way:
            await asyncio.sleep(0.01)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        assert await site.flusher.flush_all(WITHIN_S) == 1
        site.objects.goes_on.set()
        assert await site.flusher.flush_all() == 0

    asyncio.run(leave())
    assert site.objects.most_under_way == 1
    assert site.flushed_rows("hangs") == 1
