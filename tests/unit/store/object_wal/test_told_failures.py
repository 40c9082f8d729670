"""What goes wrong with a log in the object store is told, and ends neither the signs of life nor the reading."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry

from lodur.app.shared_log import SharedLog
from lodur.config.loading import parse_config_text
from lodur.config.server_config import build_server_config
from lodur.ingest.recent_pushes import RecentPushes
from lodur.model.clock import ManualClock, SystemClock
from lodur.model.errors import CorruptData, Unavailable
from lodur.store.days import NS_PER_DAY
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import NOTICE, NoJournal
from lodur.store.object_stores import ObjectStores
from lodur.store.object_wal.lease import read_lease
from lodur.store.object_wal.names import LEASES
from lodur.store.object_wal.options import ObjectWalOptions
from lodur.store.object_wal.writing import TRIM_GRACE_S, ObjectWal
from lodur.store.store import Store
from tests.servers.process import wait_until
from tests.wal_node import LIMITS, Row, WalNode

NOW_NS = 20_000 * NS_PER_DAY + NS_PER_DAY // 2
DEADLINE_S = 5.0
QUICK = ObjectWalOptions(interval_s=0.01, lease_s=0.3)


class BrokenStore(FilesystemStore):
    """A store whose calls for some paths fail as no store should, or as one that is away."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.broken = ""
        """Writes of paths that begin so fail; empty: none."""
        self.error: Exception = ValueError("nobody has thought of this")
        self.keeps = False
        """Whether nothing can be deleted."""

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        if self.broken and path.startswith(self.broken):
            raise self.error
        return super().replace_if(path, data, version)

    def delete(self, path: str) -> None:
        if self.keeps:
            raise Unavailable("nothing can be deleted")
        super().delete(path)

    def list_folders(self, prefix: str) -> list[str]:
        if self.broken:
            raise self.error
        return super().list_folders(prefix)


@pytest.fixture
def objects(tmp_path: Path) -> BrokenStore:
    objects = BrokenStore(tmp_path / "store")
    objects.check()
    return objects


@pytest.fixture
def wal(objects: BrokenStore) -> Iterator[ObjectWal]:
    wal = ObjectWal(objects, QUICK, SystemClock())
    wal.start()
    yield wal
    objects.broken = ""
    wal.close()


def beat_of(objects: BrokenStore, wal: ObjectWal) -> int:
    found = read_lease(objects, wal.writer_id)
    assert found is not None
    return found.lease.beat


@pytest.mark.parametrize("error", [ValueError("nobody has thought of this"), Unavailable("away")])
def test_a_sign_of_life_that_fails_is_counted_and_not_the_last(
    objects: BrokenStore, wal: ObjectWal, error: Exception
) -> None:
    objects.error = error
    with structlog.testing.capture_logs() as logs:
        objects.broken = LEASES
        wait_until(lambda: wal.stats().lease_failures > 0, deadline_s=DEADLINE_S, what="a failure")
        objects.broken = ""
        before = beat_of(objects, wal)
        wait_until(lambda: beat_of(objects, wal) > before, deadline_s=DEADLINE_S, what="the next sign of life")
    assert {one["event"] for one in logs} == {"lease of the write-ahead log was not renewed"}


def test_writes_that_fail_are_counted(objects: BrokenStore, wal: ObjectWal) -> None:
    objects.error = Unavailable("away")
    objects.broken = f"wal/{wal.writer_id}"
    pushing = threading.Thread(target=wal.append, args=("t", NOTICE, NOW_NS, b"[]"))
    pushing.start()
    wait_until(lambda: wal.stats().write_failures > 0, deadline_s=DEADLINE_S, what="a failure")
    objects.broken = ""
    pushing.join(DEADLINE_S)
    assert wal.stats().records == 1


def test_deletions_that_fail_are_told_as_such(objects: BrokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodur.store.object_wal.writing.TRIM_GRACE_S", 0.0)
    wal = ObjectWal(objects, QUICK, SystemClock())
    wal.start()
    with structlog.testing.capture_logs() as logs:
        objects.keeps = True
        seqs = [wal.append("t", NOTICE, NOW_NS, b"[]") for _ in range(3)]
        wal.trim(seqs[1])
        wait_until(lambda: wal.stats().delete_failures > 0, deadline_s=DEADLINE_S, what="a failure")
        wal.stop()
    assert wal.stats().lease_failures == 0
    assert {one["event"] for one in logs} == {"objects that the write-ahead log needs no more were not deleted"}


@pytest.mark.parametrize(("tenant", "payload"), [("t", b"no JSON"), ("t", b'["no day"]'), ("a/b", b'["2024-10-04"]')])
def test_a_notice_that_cannot_be_read_stops_no_reader(tmp_path: Path, tenant: str, payload: bytes) -> None:
    time = ManualClock(NOW_NS)
    writer, reader = WalNode(tmp_path, time), WalNode(tmp_path, time)
    noting = threading.Thread(target=writer.wal.append, args=(tenant, NOTICE, 0, payload))
    noting.start()
    wait_until(lambda: writer.wal.waiting()[0] > 0, deadline_s=DEADLINE_S, what="the notice")
    row: Row = ("t", "x", NOW_NS, "line")
    rows = writer.acknowledged([row])
    noting.join(DEADLINE_S)
    time.advance(2.0)
    with structlog.testing.capture_logs() as logs:
        reader.follower.poll()
    assert reader.rows() == rows
    assert [one["event"] for one in logs] == [
        "record of another process's write-ahead log cannot be read, it is left out"
    ]
    assert reader.registry.get_sample_value("lodur_wal_damaged_objects_total") == 1


def test_a_lease_from_a_later_build_stops_no_reader(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    reader, *writers = (WalNode(tmp_path, time) for _ in range(3))
    first, second = sorted(writers, key=lambda node: node.wal.writer_id)
    (tmp_path / LEASES / first.wal.writer_id).write_bytes(b'{"version": 99}')
    rows = second.acknowledged([("t", "x", NOW_NS, "line")])
    time.advance(2.0)
    with pytest.raises(CorruptData, match="version 99 of leases is not known"):
        reader.follower.poll()
    assert reader.rows() == rows


def test_a_look_for_days_that_fails_unexpectedly_is_told_and_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodur.app.shared_log.DISCOVER_EVERY_S", 0.01)
    values, _ = parse_config_text("lodur: {wal: object}\n", "lodur.yaml")
    objects = BrokenStore(tmp_path / "store")
    stores = ObjectStores([(0, objects)])
    shared = SharedLog(
        build_server_config(values, base=tmp_path, now_ns=NOW_NS, cores=1),
        Store(stores, NoJournal()),
        stores,
        limits_of=lambda _: LIMITS,
        recent=RecentPushes(),
        on_rows=lambda *_: None,
        registry=CollectorRegistry(),
        clock=SystemClock(),
    )
    objects.broken = "/"

    async def run() -> None:
        running = asyncio.create_task(shared.run())
        await asyncio.to_thread(wait_until, lambda: len(logs) >= 2, deadline_s=DEADLINE_S, what="two failures")
        shared.stop()
        await running

    with structlog.testing.capture_logs() as logs:
        asyncio.run(run())
    shared.close()
    assert {one["log_level"] for one in logs} == {"error"}


def test_a_reader_that_came_too_late_for_a_log_says_so(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    writer, reader = WalNode(tmp_path, time), WalNode(tmp_path, time)
    rows = writer.acknowledged([("t", "x", NOW_NS, "1")]) + writer.acknowledged([("t", "x", NOW_NS + 1, "2")])
    writer.flush()
    time.advance(TRIM_GRACE_S + 1.0)
    writer.send_all()
    writer.beat()
    rows += writer.acknowledged([("t", "x", NOW_NS + 2, "3")])
    with structlog.testing.capture_logs() as logs:
        reader.follower.poll()
    assert reader.rows() == rows
    assert [one["event"] for one in logs] == [
        "write-ahead log was trimmed before all of it was read here, all manifests are read anew"
    ]


def test_a_damaged_object_that_is_not_kept_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodur.ingest.adoption.DAMAGED_MAX", 0)
    time = ManualClock(NOW_NS)
    writer, backend = WalNode(tmp_path, time), WalNode(tmp_path, time)
    unknown_kind = 0xEE
    pushing = threading.Thread(target=writer.wal.append, args=("t", unknown_kind, 0, b"from a later build"))
    pushing.start()
    wait_until(lambda: writer.wal.waiting()[0] > 0, deadline_s=DEADLINE_S, what="the append")
    writer.send_all()
    pushing.join(DEADLINE_S)
    writer.wal.close()
    with structlog.testing.capture_logs() as logs:
        backend.adopter.poll()
    assert "damaged object of a write-ahead log will be deleted: too many are kept" in {one["event"] for one in logs}
