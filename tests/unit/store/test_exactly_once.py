"""A crash at every step of a flush: after the restart each acknowledged row is there once.

The crash is an error from the object store before or after the operation was carried out; everything in memory is then
dropped, and WAL and store are opened anew, as a restarted process does it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import orjson
import pytest
from prometheus_client import CollectorRegistry

from lodur.ingest.disk_space import DiskSpace
from lodur.ingest.flush_policy import FlushPolicy
from lodur.ingest.flusher import Flusher
from lodur.ingest.replay import Replay
from lodur.ingest.writer import Writer
from lodur.model.clock import ManualClock
from lodur.model.errors import Unavailable
from lodur.model.limits import IngestLimits
from lodur.model.tenant import TenantId
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import Wal, WalOptions
from lodur.store.manifest_store import Committed
from lodur.store.object_store import ListedObject, ObjectStore, StoredObject
from lodur.store.object_stores import ObjectStores
from lodur.store.store import Store
from lodur.telemetry.ingest_metrics import IngestMetrics
from lodur.wire.push_body import PushForm, push_form

NOW_NS = 1_700_000_000 * 10**9
DAY_NS = 24 * 3600 * 10**9
MIB = 1 << 20

JSON: PushForm = push_form("application/json", "", is_legacy_path=False)
A, B = TenantId("a"), TenantId("b")


class Crash(Exception):
    """The process dies here."""


@dataclass
class FailingStore:
    """A store on disk whose n-th write raises, before or after it is carried out; or that is away altogether; or
    whose listings show none of the objects."""

    inner: ObjectStore
    crash_at: int = -1
    crash_after: bool = False
    is_away: bool = False
    lists_nothing: bool = False
    is_remote: bool = False
    writes: int = 0
    lost: Callable[[], object] | None = None
    """The write that was not carried out."""
    comes_late: Callable[[], object] | None = None
    """A write of an earlier process that is carried out when segments are listed."""

    def check(self, writer_prefix: str = "") -> None:
        self.inner.check(writer_prefix)

    def get(self, path: str) -> StoredObject | None:
        return self.inner.get(path)

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return self.inner.get_ranges(path, ranges)

    async def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return await self.inner.read_ranges(path, ranges)

    def put_file(self, path: str, source: Path) -> None:
        is_last = self._write()
        self.inner.put_file(path, source)
        self._end(is_last)

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        self.lost = partial(self.inner.replace_if, path, data, version)
        is_last = self._write()
        made = self.inner.replace_if(path, data, version)
        self._end(is_last)
        return made

    def delete(self, path: str) -> None:
        self.inner.delete(path)

    def list_objects(self, prefix: str) -> list[ListedObject]:
        if self.comes_late is not None and prefix.endswith("/segments"):
            self.comes_late()
        return [] if self.lists_nothing else self.inner.list_objects(prefix)

    def list_folders(self, prefix: str) -> list[str]:
        return self.inner.list_folders(prefix)

    def spool(self, path: str) -> Path:
        return self.inner.spool(path)

    def local_path(self, path: str) -> Path | None:
        return None if self.is_remote else self.inner.local_path(path)

    def __hash__(self) -> int:
        return id(self)

    def _write(self) -> bool:
        if self.is_away:
            raise Unavailable("the store is away")
        is_last = self.writes == self.crash_at
        self.writes += 1
        if is_last and not self.crash_after:
            raise Crash
        return is_last

    def _end(self, is_last: bool) -> None:
        if is_last:
            raise Crash


@dataclass
class Process:
    """The write path of one server over a directory, without HTTP."""

    directory: Path
    objects: FailingStore = field(init=False)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW_NS))
    stopping: threading.Event = field(default_factory=threading.Event)
    head_max_bytes: int = 1 << 30
    lists_nothing: bool = False
    is_remote: bool = False
    comes_late: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        self.wal = Wal.open(WalOptions(path=self.directory / "wal", max_file_bytes=4096))
        files = FilesystemStore(self.directory / "store")
        self.objects = FailingStore(
            files, lists_nothing=self.lists_nothing, is_remote=self.is_remote, comes_late=self.comes_late
        )
        self.store = Store(ObjectStores([(0, self.objects)]), self.wal)
        metrics = IngestMetrics(CollectorRegistry())
        policy = FlushPolicy(flush_bytes=MIB, idle_s=60, age_s=600, head_max_bytes=self.head_max_bytes)
        self.flusher = Flusher(
            self.store,
            policy,
            check_period_s=0.01,
            concurrency=2,
            stopping=self.stopping,
            clock=self.clock,
            metrics=metrics,
            when_quiet=lambda: None,
        )
        limits = IngestLimits(rate_bytes=1 << 40, burst_bytes=1 << 40)
        self.writer = Writer(
            self.store,
            lambda _: limits,
            decompressed_max_bytes=MIB,
            head_max_bytes=self.head_max_bytes,
            stream_errors_max=10,
            disk=DiskSpace(self.directory, full_ratio=1.0, clock=self.clock),
            clock=self.clock,
            metrics=metrics,
            on_growth=self.flusher.notice,
            on_rows=lambda _tenant, _push: None,
        )
        self.store.load()
        replay = Replay(
            self.store,
            lambda _: limits,
            self.writer.recent,
            learn_day=self.store.learn_day,
            flush=self.flusher.flush_now,
            flush_bytes=MIB,
            memory_max_bytes=1 << 30,
            stopping=self.stopping,
            clock=self.clock,
            metrics=metrics,
        )
        replay.run()

    def push(self, tenant: TenantId, name: str) -> bytes:
        values = [[str(NOW_NS - day * DAY_NS), f"{name} {day} {line}"] for day in range(2) for line in range(3)]
        body = orjson.dumps({"streams": [{"stream": {"app": "x"}, "values": values}]})
        assert self.writer.keep(tenant, body, JSON).status == 204
        return body

    def flush(self, tenant: TenantId) -> None:
        """One attempt, as the flusher makes it; raises what the store raises."""
        tenant_store = self.store.tenant(tenant)
        fresh = tenant_store.freeze()
        for generation in tenant_store.unflushed():
            done: dict[int, Committed] = {}
            self.store.writer.flush(tenant_store, generation, done)
            tenant_store.flushed(generation, done)
        assert fresh is None or fresh not in tenant_store.unflushed()
        self.store.trim_wal()

    def rows(self, tenant: TenantId) -> int:
        metas, views = self.store.tenant(tenant).snapshot(-(2**62), 2**62)
        return sum(meta.rows for meta in metas) + sum(view.rows for view in views)

    def die(self) -> None:
        """Keep nothing but what is on disk."""
        self.store.close()


ROWS_PER_PUSH = 6


def test_days_that_a_listing_does_not_have_are_known_before_the_log_is_read_back(tmp_path: Path) -> None:
    first = Process(tmp_path)
    first.push(A, "p")
    # Each of two days is a segment and a manifest: the second day's is stored, and nobody hears of it.
    first.objects.crash_at, first.objects.crash_after = 3, True
    with pytest.raises(Crash):
        first.flush(A)
    first.die()

    second = Process(tmp_path, lists_nothing=True)
    second.push(A, "after")
    second.flush(A)
    assert second.rows(A) == 2 * ROWS_PER_PUSH
    second.die()

    third = Process(tmp_path)
    assert third.rows(A) == 2 * ROWS_PER_PUSH


@pytest.mark.parametrize("crash_at", [1, 3])
@pytest.mark.parametrize("flushes", [0, 1])
def test_a_commit_of_the_last_life_that_comes_later_still(tmp_path: Path, flushes: int, crash_at: int) -> None:
    first = Process(tmp_path)
    for _ in range(flushes):
        first.push(A, "earlier")
        first.flush(A)
    first.push(A, "p")
    first.objects.writes, first.objects.crash_at = 0, crash_at
    with pytest.raises(Crash):
        first.flush(A)
    assert first.objects.lost is not None
    first.die()

    # Its listing has no segment that would tell of the commit.
    second = Process(tmp_path, lists_nothing=True, is_remote=True)
    assert first.objects.lost() is None
    second.store.discover(all_days=True)
    second.push(A, "after")
    assert second.rows(A) == (flushes + 2) * ROWS_PER_PUSH
    second.flush(A)
    assert second.rows(A) == (flushes + 2) * ROWS_PER_PUSH
    second.die()


def test_a_commit_that_comes_while_the_store_is_read_at_the_start(tmp_path: Path) -> None:
    first = Process(tmp_path)
    first.push(A, "p")
    first.flush(A)
    first.push(A, "q")
    first.objects.writes, first.objects.crash_at = 0, 3
    with pytest.raises(Crash):
        first.flush(A)
    first.die()

    second = Process(tmp_path, comes_late=first.objects.lost)
    second.push(A, "after")
    second.flush(A)
    assert second.rows(A) == 3 * ROWS_PER_PUSH
    second.die()


@pytest.mark.parametrize("crash_after", [False, True])
@pytest.mark.parametrize("crash_at", range(4))
def test_a_crash_within_a_flush(tmp_path: Path, crash_at: int, crash_after: bool) -> None:
    first = Process(tmp_path)
    for number in range(3):
        first.push(A, f"p{number}")
    first.objects.crash_at, first.objects.crash_after = crash_at, crash_after
    with pytest.raises(Crash):
        first.flush(A)
    assert first.rows(A) == 3 * ROWS_PER_PUSH
    first.die()

    second = Process(tmp_path)
    assert second.rows(A) == 3 * ROWS_PER_PUSH
    second.push(A, "after")
    second.flush(A)
    assert second.rows(A) == 4 * ROWS_PER_PUSH
    second.die()

    third = Process(tmp_path)
    assert third.rows(A) == 4 * ROWS_PER_PUSH
    live = {meta.path for meta in third.store.tenant(A).snapshot(-(2**62), 2**62)[0]}
    assert {listed.path for listed in third.objects.list_objects("a/segments")} == live
    third.die()


@pytest.mark.parametrize("crash_at", range(4))
def test_crash_upon_crash(tmp_path: Path, crash_at: int) -> None:
    pushed = 0
    for turn in range(4):
        process = Process(tmp_path)
        assert process.rows(A) == pushed * ROWS_PER_PUSH
        process.push(A, f"turn {turn}")
        pushed += 1
        # The start may have written too.
        process.objects.crash_at = process.objects.writes + (crash_at + turn) % 4
        with pytest.raises(Crash):
            process.flush(A)
        process.die()
    last = Process(tmp_path)
    last.flush(A)
    assert last.rows(A) == pushed * ROWS_PER_PUSH
    last.die()


def test_a_flush_of_one_tenant_leaves_the_rows_of_another_in_the_wal(tmp_path: Path) -> None:
    first = Process(tmp_path)
    for number in range(60):
        first.push(B if number % 3 == 0 else A, f"p{number}")
    first.flush(A)
    first.die()
    second = Process(tmp_path)
    assert second.rows(A) == 40 * ROWS_PER_PUSH
    assert second.rows(B) == 20 * ROWS_PER_PUSH
    second.flush(B)
    second.push(B, "last")
    second.die()
    third = Process(tmp_path)
    assert third.rows(B) == 21 * ROWS_PER_PUSH
    third.die()


def test_the_wal_is_trimmed_once_all_is_flushed(tmp_path: Path) -> None:
    process = Process(tmp_path)
    for number in range(60):
        process.push(A, f"p{number}")
    before = process.wal.stats().files
    process.flush(A)
    assert process.wal.stats().files < before
    process.die()


def test_a_retry_is_not_doubled_by_replay(tmp_path: Path) -> None:
    """The first attempt is flushed, the retry has come after it: replay must not bring it back as new rows."""
    first = Process(tmp_path)
    first.push(A, "x")
    first.die()
    second = Process(tmp_path)
    second.flush(A)
    second.push(A, "x")
    assert second.rows(A) == ROWS_PER_PUSH
    second.die()
    third = Process(tmp_path)
    assert third.rows(A) == ROWS_PER_PUSH
    third.die()


def test_pushes_are_refused_while_nothing_can_be_flushed_and_taken_again_after(tmp_path: Path) -> None:
    process = Process(tmp_path, head_max_bytes=2000)
    process.objects.is_away = True
    pushed = 0
    while process.store.head_bytes() < process.head_max_bytes:
        process.push(A, f"p{pushed}")
        pushed += 1
    with pytest.raises(Unavailable, match="too many rows wait to be flushed"):
        process.push(A, "one too many")
    with pytest.raises(Unavailable):
        process.flush(A)
    process.objects.is_away = False
    process.flush(A)
    process.push(A, "after")
    assert process.rows(A) == (pushed + 1) * ROWS_PER_PUSH
    process.die()


def test_a_full_disk_refuses_pushes(tmp_path: Path) -> None:
    disk = DiskSpace(tmp_path, full_ratio=0.0, clock=ManualClock())
    assert disk.is_full()
    assert not DiskSpace(tmp_path, full_ratio=1.0, clock=ManualClock()).is_full()


def test_a_directory_that_is_gone_is_no_disk_with_room(tmp_path: Path) -> None:
    disk = DiskSpace(tmp_path / "gone", full_ratio=1.0, clock=ManualClock())
    for _ in range(2):
        with pytest.raises(Unavailable, match="gone cannot be used: no such file or directory"):
            disk.is_full()
