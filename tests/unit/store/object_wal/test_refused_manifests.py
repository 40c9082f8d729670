"""All manifests are to be read anew, and one cannot be: what is refused for that is its own day, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from lodur.model.clock import ManualClock
from lodur.model.errors import CorruptData, Unavailable
from lodur.model.tenant import TenantId
from lodur.store.days import NS_PER_DAY, day_of
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.manifest_store import manifest_path
from lodur.store.object_store import StoredObject
from lodur.store.object_wal.names import LEASES
from lodur.store.object_wal.writing import TRIM_GRACE_S
from lodur.telemetry.repeated_failures import RepeatedFailures
from tests.wal_node import Row, WalNode

NOW_NS = 20_000 * NS_PER_DAY + NS_PER_DAY // 2
DAY = day_of(NOW_NS)
LOOK_AGAIN_S = 2.5
LATER_VERSION = b'{"version": 99}'
TOLD = "part of what other processes have written cannot be read, trying again"


class FlakyStore(FilesystemStore):
    """A store of which some manifests cannot be read."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.fails: set[str] = set()

    def get(self, path: str) -> StoredObject | None:
        if path in self.fails:
            raise Unavailable(f"{path} cannot be read now")
        return super().get(path)


def sources(node: WalNode, tenant: str, day: int = DAY) -> int:
    start_ns = day * NS_PER_DAY
    return len(asyncio.run(node.store.sources(TenantId(tenant), start_ns, start_ns + NS_PER_DAY)))


def trim_unseen(time: ManualClock, writer: WalNode, rows: Sequence[Row]) -> list[Row]:
    """These come, are flushed, and are in no log any more: whoever has not looked meanwhile reads all manifests.

    With one more that is in the log still; all of them.
    """
    written = writer.acknowledged(*([row] for row in rows))
    writer.flush()
    time.advance(TRIM_GRACE_S + 1.0)
    writer.send_all()
    writer.beat()
    return sorted(written + writer.acknowledged([("t", "x", NOW_NS + 1, "the last object")]))


def test_a_manifest_of_a_later_version_refuses_its_own_day_alone(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    writer, reader = WalNode(tmp_path, time), WalNode(tmp_path, time)
    path = tmp_path / manifest_path(TenantId("t"), DAY - 1)
    old: Row = ("t", "x", NOW_NS - NS_PER_DAY, "old")
    rows = trim_unseen(time, writer, [("t", "x", NOW_NS, "a"), ("u", "x", NOW_NS, "b"), old])
    sound = path.read_bytes()
    path.write_bytes(LATER_VERSION)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(CorruptData, match="version 99"):
                reader.follower.poll()
            # The tenant's other day, and the tenants behind it.
            assert sources(reader, "t")
            assert sources(reader, "u")
            with pytest.raises(Unavailable, match="cannot be read anew"):
                sources(reader, "t", DAY - 1)
            time.advance(LOOK_AGAIN_S)
    assert [one["event"] for one in logs if one["log_level"] == "error"] == [TOLD]
    path.write_bytes(sound)
    reader.follower.poll()
    assert reader.rows() == rows


def test_an_attempt_goes_on_where_the_last_one_has_failed(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    store = FlakyStore(tmp_path)
    writer, reader = WalNode(tmp_path, time), WalNode(tmp_path, time, faulty=store)
    days = range(DAY - 3, DAY + 1)
    rows = trim_unseen(time, writer, [("t", "x", day * NS_PER_DAY + 1, "a") for day in days])
    paths = {day: manifest_path(TenantId("t"), day) for day in days}
    store.fails = {paths[DAY - 2]}
    with pytest.raises(Unavailable, match="cannot be read now"):
        reader.follower.poll()
    assert sources(reader, "t", DAY - 3) == 1
    for day in days[1:]:
        # They were not read since, and nobody knows what they hold.
        with pytest.raises(Unavailable, match="cannot be read anew"):
            sources(reader, "t", day)
    # What was read needs no second time, and what has failed waits for the others.
    store.fails.add(paths[DAY - 3])
    with pytest.raises(Unavailable, match="cannot be read now"):
        reader.follower.poll()
    assert all(sources(reader, "t", day) for day in (DAY - 3, DAY - 1, DAY))
    with pytest.raises(Unavailable, match="cannot be read anew"):
        sources(reader, "t", DAY - 2)
    store.fails.clear()
    reader.follower.poll()
    assert reader.rows() == rows


def test_the_days_of_tenants_behind_a_later_version_are_discovered(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    writer, reader = WalNode(tmp_path, time), WalNode(tmp_path, time)
    writer.acknowledged([("t", "x", NOW_NS, "a")], [("u", "x", NOW_NS, "b")])
    writer.flush()
    (tmp_path / manifest_path(TenantId("t"), DAY)).write_bytes(LATER_VERSION)
    with pytest.raises(CorruptData, match="version 99"):
        reader.store.discover(all_days=False)
    assert [known.tenant for known in reader.store.tenants()] == [TenantId("u")]


def test_who_asks_for_one_tenant_is_not_kept_by_manifests_of_others(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    writer, reader = WalNode(tmp_path, time), WalNode(tmp_path, time)
    writer.acknowledged([("t", "x", NOW_NS, "a")], [("u", "x", NOW_NS, "b")])
    writer.flush()
    writer.send_all()
    (tmp_path / manifest_path(TenantId("u"), DAY)).write_bytes(LATER_VERSION)
    time.advance(LOOK_AGAIN_S)
    reader.follower.poll(TenantId("t"))
    assert sources(reader, "t") == 1
    with pytest.raises(CorruptData, match="version 99"):
        reader.follower.poll(TenantId("u"))


def test_the_age_grows_while_every_look_fails(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    reader, writer = WalNode(tmp_path, time), WalNode(tmp_path, time)
    (tmp_path / LEASES / writer.wal.writer_id).write_bytes(LATER_VERSION)
    store = {"store": "object store 1"}
    reader.follower._each[0].try_look()
    before = reader.registry.get_sample_value("lodur_wal_follow_age_seconds", store)
    for _ in range(2):
        time.advance(LOOK_AGAIN_S)
        reader.follower._each[0].try_look()
    assert before == 0.0
    assert reader.registry.get_sample_value("lodur_wal_follow_age_seconds", store) == 2 * LOOK_AGAIN_S
    assert reader.registry.get_sample_value("lodur_wal_follow_failures_total", store) == 2


def test_a_lease_of_a_later_version_hides_no_manifest_of_one(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    reader, *writers = (WalNode(tmp_path, time) for _ in range(3))
    broken, writer = sorted(writers, key=lambda node: node.wal.writer_id)
    (tmp_path / LEASES / broken.wal.writer_id).write_bytes(LATER_VERSION)
    writer.acknowledged([("t", "x", NOW_NS, "a")])
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            time.advance(LOOK_AGAIN_S)
            reader.follower._each[0].try_look()
        writer.flush()
        writer.send_all()
        (tmp_path / manifest_path(TenantId("t"), DAY)).write_bytes(LATER_VERSION)
        for _ in range(3):
            time.advance(LOOK_AGAIN_S)
            reader.follower._each[0].try_look()
    told = [(one["event"], one["err"].partition(":")[0]) for one in logs]
    assert told == [
        (TOLD, f"{LEASES}/{broken.wal.writer_id}"),
        (TOLD, manifest_path(TenantId("t"), DAY)),
    ]


def test_damage_of_another_object_is_another_failure() -> None:
    failures = RepeatedFailures()
    errors = [CorruptData("no sense", path=path) for path in ("a", "a", "b")]
    assert [failures.is_new("store", error) for error in errors] == [True, False, True]


def test_one_manifest_of_a_later_version_does_not_refuse_other_tenants(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    writer, reader = WalNode(tmp_path, time), WalNode(tmp_path, time)
    writer.acknowledged([("t", "x", NOW_NS, "a")], [("u", "x", NOW_NS, "b")])
    writer.flush()
    reader.follower.poll()
    (tmp_path / manifest_path(TenantId("u"), DAY - 1)).write_bytes(LATER_VERSION)
    reader.follower._unread.note_all()
    with suppress(CorruptData):
        reader.follower.poll()
    assert len(asyncio.run(reader.store.sources(TenantId("t"), NOW_NS - 1, NOW_NS + 1))) == 1
