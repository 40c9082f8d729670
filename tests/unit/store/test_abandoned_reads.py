"""Queries of a store that is known to be away are refused, and those that wait for it give up; others are answered."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lodur.kernels.push_decode import PushLimits
from lodur.model.clock import ManualClock
from lodur.model.errors import NotFound, Unavailable
from lodur.model.tenant import TenantId
from lodur.store.days import NS_PER_DAY
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import REENCODED, NoJournal
from lodur.store.manifest_store import Committed
from lodur.store.object_stores import ObjectStores
from lodur.store.open_segments import OPEN_THREADS
from lodur.store.present_stores import AWAY_S, PresentStores
from lodur.store.store import Store
from lodur.wire.push_body import decode, push_form

TENANT = TenantId("t")
SWITCH_NS = 20_000 * NS_PER_DAY
HANGS_FOR_S = 30.0
SOON_S = 5.0
JSON = push_form("application/json", "", is_legacy_path=False)


class RemoteStore(FilesystemStore):
    """A directory read as a bucket is, which may hang."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.answers = threading.Event()
        self.answers.set()
        self.reads = 0

    def local_path(self, path: str) -> Path | None:
        return None

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.reads += 1
        self.answers.wait(HANGS_FOR_S)
        return super().get_ranges(path, ranges)


class Site:
    """Two periods, each with segments, and a reader that has opened none."""

    def __init__(self, directory: Path, segments: int) -> None:
        self.clock = ManualClock(SWITCH_NS + NS_PER_DAY)
        self.older, self.newer = RemoteStore(directory / "older"), RemoteStore(directory / "newer")
        self.stores = ObjectStores([(0, self.older), (SWITCH_NS, self.newer)])
        writer = Store(self.stores, NoJournal())
        for number in range(segments):
            self._flush(writer, SWITCH_NS - NS_PER_DAY + number)
        self._flush(writer, SWITCH_NS)
        self.present = PresentStores(self.stores, self.clock)
        self.store = Store(self.stores, NoJournal(), presence=self.present)
        self.store.load()

    def _flush(self, store: Store, ts_ns: int) -> None:
        body = b'{"streams": [{"stream": {"app": "x"}, "values": [["%d", "line"]]}]}' % ts_ns
        decoded = decode(body, JSON, PushLimits.unchecked(), ts_ns)
        tenant_store = store.tenant(TENANT)
        tenant_store.append(decoded, kind=REENCODED, payload=b"", accepted_at_ns=ts_ns, now_s=0.0)
        generation = tenant_store.freeze()
        assert generation is not None
        done: dict[int, Committed] = {}
        store.writer.flush(tenant_store, generation, done)
        tenant_store.flushed(generation, done)

    async def old(self) -> int:
        return len(await self.store.sources(TENANT, SWITCH_NS - NS_PER_DAY, SWITCH_NS))

    async def new(self) -> int:
        return len(await self.store.sources(TENANT, SWITCH_NS, SWITCH_NS + NS_PER_DAY))

    def hang(self) -> None:
        self.older.answers.clear()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, OPEN_THREADS + 1)
    yield site
    site.older.answers.set()
    site.store.close()


def asked(site: Site) -> threading.Thread:
    """A look at the older store that lasts as long as that hangs."""
    begun = threading.Event()

    def ask() -> None:
        with site.present.asking(site.older):
            begun.set()
            site.older.answers.wait(HANGS_FOR_S)

    thread = threading.Thread(target=ask)
    thread.start()
    begun.wait(SOON_S)
    return thread


def test_queries_of_a_store_that_is_away_are_refused_without_asking_it(site: Site) -> None:
    site.hang()
    look = asked(site)
    site.clock.advance(AWAY_S)
    # One tries it all the same, and gives up.
    with pytest.raises(Unavailable, match="object store 1 has not answered for 10 s"):
        asyncio.run(site.old())
    reads = site.older.reads
    begun_s = time.monotonic()
    for _ in range(100):
        with pytest.raises(Unavailable, match="object store 1 has not answered for 10 s"):
            asyncio.run(site.old())
    assert time.monotonic() - begun_s < SOON_S
    assert site.older.reads == reads
    assert asyncio.run(site.new()) == 1
    site.older.answers.set()
    look.join(SOON_S)
    assert asyncio.run(site.old()) == OPEN_THREADS + 1


def test_a_query_finds_that_a_store_is_back_before_the_look_that_hangs(site: Site) -> None:
    with site.present.asking(site.older):
        site.clock.advance(AWAY_S)
        assert asyncio.run(site.old()) == OPEN_THREADS + 1
        site.present.check_all()


def test_what_is_open_is_read_without_the_store(site: Site) -> None:
    assert asyncio.run(site.old()) == OPEN_THREADS + 1
    site.hang()
    look = asked(site)
    site.clock.advance(AWAY_S)
    assert asyncio.run(site.old()) == OPEN_THREADS + 1
    site.older.answers.set()
    look.join(SOON_S)


def test_a_query_that_waits_gives_up_and_holds_up_no_others(site: Site) -> None:
    site.hang()
    look = asked(site)

    async def queries() -> None:
        old = asyncio.create_task(site.old())
        while site.older.reads < OPEN_THREADS:
            await asyncio.sleep(0.01)
        begun_s = time.monotonic()
        # Its store hangs in as many threads as there are for one.
        assert await site.new() == 1
        site.clock.advance(AWAY_S)
        with pytest.raises(Unavailable, match="has not answered"):
            await old
        assert time.monotonic() - begun_s < SOON_S

    asyncio.run(queries())
    site.older.answers.set()
    look.join(SOON_S)


def test_a_read_of_pages_gives_up_too(site: Site) -> None:
    async def read() -> None:
        (segment, *_) = await site.store.sources(TENANT, SWITCH_NS - NS_PER_DAY, SWITCH_NS)
        site.hang()
        reading = asyncio.create_task(segment.read_ranges([(0, 4)]))  # type: ignore[union-attr]  # it is remote
        await asyncio.sleep(0.1)
        look = asked(site)
        site.clock.advance(AWAY_S)
        with pytest.raises(Unavailable, match="has not answered"):
            await reading
        site.older.answers.set()
        look.join(SOON_S)

    asyncio.run(read())


def test_an_answer_of_any_kind_shows_that_a_store_is_there(site: Site) -> None:
    def fail(error: Exception) -> None:
        with pytest.raises(type(error)), site.present.asking(site.older):
            raise error

    fail(Unavailable("away"))
    site.clock.advance(AWAY_S - 1)
    fail(Unavailable("away"))
    site.present.check_all()
    site.clock.advance(1)
    with pytest.raises(Unavailable):
        site.present.check_all()
    site.present.check(site.newer)
    fail(NotFound("no such bucket"))
    site.present.check_all()
