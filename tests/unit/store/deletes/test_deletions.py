"""Reading delete requests beside queries: from a store that answers, fails, or hangs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lodur.model.clock import ManualClock
from lodur.model.errors import CorruptData, LimitExceeded, Unavailable
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.delete_queries import plan_of_request
from lodur.store.deletes import deletions as module
from lodur.store.deletes.audit import Cancelled, Removed, Trail, read_trail, read_trails, record
from lodur.store.deletes.deletions import AGING_S, KNOWN_MAX_S, STALE_S, Deletions
from lodur.store.deletes.request_store import commit_log, mended_log, read_log
from lodur.store.deletes.requests import (
    NO_REQUESTS,
    REQUESTS_MAX,
    DeleteLog,
    NewRequest,
    with_added,
    with_processed,
    with_started,
)
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.object_store import StoredObject

TENANT = TenantId("t")
WAIT_S = 0.05
FIRST_WAIT_S = 20 * WAIT_S

LATER_QUERIES = 100
"""In all the time that known requests are good for."""


class AbsentStore(FilesystemStore):
    """A store that hangs until it is let go, or refuses."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.answers = threading.Event()
        self.answers.set()
        self.refuses = False
        self.gets = 0

    def get(self, path: str) -> StoredObject | None:
        self.gets += 1
        self.answers.wait(30)
        if self.refuses:
            raise Unavailable("the store is away")
        return super().get(path)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(10**18)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AbsentStore]:
    store = AbsentStore(tmp_path / "store")
    yield store
    store.answers.set()


@pytest.fixture
def deletions(store: AbsentStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deletions]:
    monkeypatch.setattr(module, "WAIT_S", WAIT_S)
    monkeypatch.setattr(module, "FIRST_WAIT_S", FIRST_WAIT_S)
    deletions = Deletions(store, plan_of_request, clock)
    yield deletions
    deletions.close()


def ask_elsewhere(store: AbsentStore, request_id: str = "1") -> DeleteLog:
    """A request that another process makes."""
    new = NewRequest(request_id, "{app=`x`}", TimeSpan(0, 1), 0, "", 0)
    return commit_log(store, TENANT, read_log(store, TENANT), lambda log: with_added(log, new)).log


def test_a_tenant_has_so_many_requests_as_the_docs_say(store: AbsentStore) -> None:
    (request,) = with_processed(
        with_started(ask_elsewhere(store), created_until_ns=0, now_ns=1), frozenset("1"), 2
    ).requests
    assert request.is_processed
    most = DeleteLog(tuple(replace(request, id=str(number)) for number in range(REQUESTS_MAX)))
    new = NewRequest("one more", "{app=`x`}", TimeSpan(0, 1), 0, "", 0)
    with pytest.raises(LimitExceeded, match="one request may name much"):
        with_added(most, new)
    assert with_added(replace(most, requests=most.requests[1:]), new).find(new.id)
    assert f"{REQUESTS_MAX:,} requests" in Path("docs/how-to/delete-entries.md").read_text(encoding="utf-8")


def test_queries_of_a_store_that_hangs_go_on_with_what_is_known(
    store: AbsentStore, deletions: Deletions, clock: ManualClock
) -> None:
    known = ask_elsewhere(store)

    async def queries() -> None:
        assert await deletions.fresh(TENANT) == known
        store.answers.clear()
        clock.advance(STALE_S)
        begun_s = time.monotonic()
        assert await deletions.fresh(TENANT) == known
        # One has waited, in vain; the next ones do not, and begin no other reading.
        gets = store.gets
        for _ in range(1000):
            assert await deletions.fresh(TENANT) == known
        assert store.gets == gets
        assert time.monotonic() - begun_s < 10
        clock.advance(KNOWN_MAX_S)
        with pytest.raises(Unavailable, match=r"might show what was deleted: no answer within 1 s"):
            await deletions.fresh(TENANT)
        store.answers.set()
        await asyncio.to_thread(ask_elsewhere, store, "2")
        deadline_s = time.monotonic() + 10
        while len((await deletions.fresh(TENANT)).requests) < 2 and time.monotonic() < deadline_s:
            clock.advance(AGING_S)
        assert len((await deletions.fresh(TENANT)).requests) == 2

    asyncio.run(queries())


def test_one_query_waits_for_a_store_that_hangs_however_long_it_does(
    store: AbsentStore, deletions: Deletions, clock: ManualClock
) -> None:
    known = ask_elsewhere(store)

    async def queries() -> None:
        assert await deletions.fresh(TENANT) == known
        store.answers.clear()
        clock.advance(STALE_S)
        assert await deletions.fresh(TENANT) == known
        begun_s = time.monotonic()
        for _ in range(LATER_QUERIES):
            clock.advance(STALE_S)
            assert await deletions.fresh(TENANT) == known
        assert time.monotonic() - begun_s < LATER_QUERIES * WAIT_S / 2
        store.answers.set()

    asyncio.run(queries())


def test_a_store_that_refuses_is_asked_again_after_a_while(
    store: AbsentStore, deletions: Deletions, clock: ManualClock
) -> None:
    known = ask_elsewhere(store)

    async def queries() -> None:
        assert await deletions.fresh(TENANT) == known
        store.refuses = True
        clock.advance(STALE_S)
        gets = store.gets
        for _ in range(100):
            assert await deletions.fresh(TENANT) == known
        assert store.gets == gets + 1
        clock.advance(KNOWN_MAX_S)
        with pytest.raises(Unavailable, match="might show what was deleted: the store is away"):
            await deletions.fresh(TENANT)

    asyncio.run(queries())


def test_requests_that_were_never_read_are_waited_for_longer(store: AbsentStore, deletions: Deletions) -> None:
    """A query has nothing else to go on with then; a first connection takes longer than others."""
    store.answers.clear()

    async def query() -> None:
        asyncio.get_running_loop().call_later(4 * WAIT_S, store.answers.set)
        assert await deletions.fresh(TENANT) == NO_REQUESTS

    asyncio.run(query())


def test_a_tenant_whose_requests_were_never_read_waits_no_longer_than_it_must(
    store: AbsentStore, deletions: Deletions
) -> None:
    store.answers.clear()

    async def queries() -> None:
        with pytest.raises(Unavailable, match="delete requests cannot be read"):
            await deletions.fresh(TENANT)
        deletions.note_stored([])
        begun_s = time.monotonic()
        for _ in range(1000):
            assert await deletions.fresh(TENANT) == NO_REQUESTS
        assert time.monotonic() - begun_s < 10
        deletions.note_stored([TENANT])
        with pytest.raises(Unavailable, match="delete requests cannot be read"):
            await deletions.fresh(TENANT)
        store.answers.set()

    asyncio.run(queries())


def requests_file(directory: Path) -> Path:
    return directory / "store" / "t" / "deletes" / "requests.json"


def kept_aside(directory: Path) -> list[bytes]:
    return [kept.read_bytes() for kept in (directory / "store" / "t" / "damaged").iterdir()]


def test_a_flipped_bit_is_undone_and_its_bytes_are_kept(store: AbsentStore, tmp_path: Path) -> None:
    known = ask_elsewhere(store)
    whole = requests_file(tmp_path).read_bytes()
    for place in range(0, 8 * len(whole), 61):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        requests_file(tmp_path).write_bytes(data)
        read = read_log(store, TENANT)
        assert requests_file(tmp_path).read_bytes() == data
        assert read.log == known
        mended = mended_log(store, TENANT)
        assert mended.log.requests == known.requests
        if read.damaged is not None:
            assert mended.log.revision == known.revision + 1
            assert bytes(data) in kept_aside(tmp_path)
        assert read_log(store, TENANT) == mended


def test_requests_of_which_nothing_is_whole_are_those_of_their_trails(store: AbsentStore, tmp_path: Path) -> None:
    known = ask_elsewhere(store)
    (request,) = known.requests
    record(store, TENANT, request)
    record(store, TENANT, replace(request, number=2, id="2"), cancelled=Cancelled(5, "somebody", forced=False))
    data = requests_file(tmp_path).read_bytes()[:30]
    requests_file(tmp_path).write_bytes(data)
    mended = mended_log(store, TENANT).log
    assert mended.requests == (request,)
    assert mended.last_number == 2
    assert mended.revision > known.revision
    assert kept_aside(tmp_path) == [data]


def test_a_damaged_trail_is_restored_or_begun_anew(store: AbsentStore, tmp_path: Path) -> None:
    (request,) = ask_elsewhere(store).requests
    trail = record(store, TENANT, request, removed=[Removed("t/segments/a", 3, 5, "process", ())], unread=["b"])
    file = tmp_path / "store" / "t" / "deletes" / "audit" / f"{request.id}.json"
    data = bytearray(file.read_bytes())
    data[-20] ^= 4
    file.write_bytes(data)
    assert read_trail(store, TENANT, request.id) == trail
    assert record(store, TENANT, request, unread=["b"]) == trail
    assert kept_aside(tmp_path) == [bytes(data)]
    file.write_bytes(data[:30])
    assert read_trails(store, TENANT) == []
    assert record(store, TENANT, request) == Trail(request)
    assert sorted(kept_aside(tmp_path)) == sorted([bytes(data), bytes(data[:30])])


def test_requests_of_a_later_version_are_refused(store: AbsentStore, tmp_path: Path) -> None:
    file = requests_file(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text('{"version": 9, "requests": []}')
    with pytest.raises(CorruptData, match="version 9 of delete requests is not known, this build reads 1, 2"):
        read_log(store, TENANT)


def test_requests_of_the_first_version_are_read(store: AbsentStore, tmp_path: Path) -> None:
    file = requests_file(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text(
        '{"version":1,"revision":1,"last_number":1,"requests":[{"number":1,"id":"00000001","query":"{a=`b`}",'
        '"start_ns":1,"end_ns":2,"created_at_ns":3}]}'
    )
    (request,) = read_log(store, TENANT).log.requests
    assert (request.id, request.end_ns) == ("00000001", 2)
