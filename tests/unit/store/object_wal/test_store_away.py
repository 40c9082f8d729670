"""Two periods, and the store of the older one is away or hangs: what lies in the other is followed and adopted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from lodur.ingest.adopting import Adopter
from lodur.ingest.following import Follower
from lodur.ingest.store_adopting import READERS_GRACE_S
from lodur.model.clock import ManualClock
from lodur.model.errors import Unavailable
from lodur.model.tenant import TenantId
from lodur.store.days import NS_PER_DAY
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.object_store import ListedObject, StoredObject
from lodur.store.object_wal.lease import LeaseState, read_lease
from lodur.store.object_wal.options import ObjectWalOptions
from lodur.store.object_wal.writing import TRIM_GRACE_S
from lodur.store.unread_manifests import STALLED_S
from tests.servers.process import wait_until
from tests.wal_node import Row, WalNode

SWITCH_NS = 20_000 * NS_PER_DAY
NOW_NS = SWITCH_NS + NS_PER_DAY // 2
OLD_NS = SWITCH_NS - NS_PER_DAY // 2

SEEN_WITHIN_S = 2.0

HANGS_FOR_S = 30.0
"""Longer than any test waits; each lets the store go on at its end."""

LIST_AGAIN_S = 1.1
"""After so long new writers are looked for again."""

QUICK = ObjectWalOptions(interval_s=0.25, group_bytes=2000, lease_s=0.6, follow_interval_s=0.05)


class AwayStore(FilesystemStore):
    """A store that fails every call, or hangs in it, as long as it is told to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.is_away = False
        self.answers = threading.Event()
        self.answers.set()

    def get(self, path: str) -> StoredObject | None:
        self._answer()
        return super().get(path)

    def put_file(self, path: str, source: Path) -> None:
        self._answer()
        super().put_file(path, source)

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        self._answer()
        return super().replace_if(path, data, version)

    def list_objects(self, prefix: str) -> list[ListedObject]:
        self._answer()
        return super().list_objects(prefix)

    def list_folders(self, prefix: str) -> list[str]:
        self._answer()
        return super().list_folders(prefix)

    def _answer(self) -> None:
        self.answers.wait(HANGS_FOR_S)
        if self.is_away:
            raise Unavailable("the older store is away")


class Site:
    """A directory with the store of today, and processes that reach the older one through a door of their own."""

    def __init__(self, directory: Path) -> None:
        self.time = ManualClock(NOW_NS)
        self._directory = directory

    def node(self, options: ObjectWalOptions = QUICK) -> WalNode:
        older = AwayStore(self._directory / "older")
        older.check()
        return WalNode(self._directory / "newer", self.time, options=options, older=(older, SWITCH_NS))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def older_of(node: WalNode) -> AwayStore:
    assert node.older is not None
    older = node.older[0]
    assert isinstance(older, AwayStore)
    return older


def new_row(number: int) -> Row:
    return ("t", "x", NOW_NS + number, f"line {number}")


def old_row(number: int) -> Row:
    return ("t", "x", OLD_NS + number, f"old line {number}")


def fresh_rows(node: WalNode) -> list[Row]:
    return node.rows_between(SWITCH_NS, SWITCH_NS + NS_PER_DAY)


def state_of(node: WalNode, other: WalNode) -> LeaseState | None:
    found = read_lease(node.objects, other.wal.writer_id)
    return found.lease.state if found else None


@contextmanager
def running(work: Follower | Adopter, older: AwayStore) -> Iterator[None]:
    thread = threading.Thread(target=lambda: asyncio.run(work.run()))
    thread.start()
    try:
        yield
    finally:
        older.answers.set()
        work.stop()
        thread.join(HANGS_FOR_S)


def fail(older: AwayStore) -> None:
    older.is_away = True


def hang(older: AwayStore) -> None:
    older.answers.clear()


@pytest.mark.parametrize("leave", [fail, hang])
def test_lines_of_the_current_period_are_seen_in_time(site: Site, leave: Callable[[AwayStore], None]) -> None:
    writer, reader = site.node(), site.node()
    leave(older_of(reader))
    site.time.advance(LIST_AGAIN_S)
    with running(reader.follower, older_of(reader)):
        rows = writer.acknowledged([new_row(0)])
        wait_until(lambda: fresh_rows(reader) == rows, deadline_s=SEEN_WITHIN_S, what="the line")
        site.time.advance(LIST_AGAIN_S)
        late = site.node()
        rows += late.acknowledged([new_row(1)])
        site.time.advance(LIST_AGAIN_S)
        wait_until(lambda: fresh_rows(reader) == rows, deadline_s=SEEN_WITHIN_S, what="the line of a new writer")


@pytest.mark.parametrize("leave", [fail, hang])
def test_logs_in_the_current_store_are_adopted(site: Site, leave: Callable[[AwayStore], None]) -> None:
    writer, backend = site.node(), site.node()
    rows = writer.acknowledged([new_row(0)])
    writer.wal.close()
    leave(older_of(backend))
    with running(backend.adopter, older_of(backend)):
        wait_until(
            lambda: state_of(backend, writer) is LeaseState.ADOPTED, deadline_s=SEEN_WITHIN_S, what="the adoption"
        )
    assert fresh_rows(site.node()) == rows


def test_a_log_with_rows_of_a_store_that_is_away_waits_beside_others(site: Site) -> None:
    """It does not even ask the other store, which might hang, when that did not answer the look before."""
    mixed, other, backend = site.node(), site.node(), site.node()
    rows = sorted(mixed.acknowledged([old_row(0)], [new_row(0)]) + other.acknowledged([new_row(1)]))
    fail(older_of(backend))
    with pytest.raises(Unavailable):
        backend.adopter.poll()
    mixed.wal.close()
    other.wal.close()
    hang(older_of(backend))
    with running(backend.adopter, older_of(backend)):
        wait_until(
            lambda: (state_of(backend, mixed), state_of(backend, other)) == (LeaseState.ADOPTING, LeaseState.ADOPTED),
            deadline_s=SEEN_WITHIN_S,
            what="the adoption of one log",
        )
        older_of(backend).is_away = False
        older_of(backend).answers.set()

        def is_adopted() -> bool:
            site.time.advance(QUICK.lease_s / 3)
            backend.beat()
            return state_of(backend, mixed) is LeaseState.ADOPTED

        wait_until(is_adopted, deadline_s=SEEN_WITHIN_S, what="the adoption of the other")
    assert site.node().rows() == rows


def test_manifests_of_a_store_that_was_away_are_read_when_it_is_back(site: Site) -> None:
    writer, reader = site.node(), site.node()
    rows = sorted(writer.acknowledged([old_row(0)], [new_row(0)]))
    reader.follower.poll()
    fail(older_of(reader))
    writer.flush()
    writer.send_all()
    rows += writer.acknowledged([new_row(1)])
    with pytest.raises(Unavailable):
        reader.follower.poll()
    # What is in the older store's segments by now is shown from memory still.
    assert reader.rows() == rows
    older_of(reader).is_away = False
    reader.follower.poll()
    assert reader.rows() == rows
    (tenant_store,) = reader.store.tenants()
    assert {segment.rows for segment in tenant_store.live()} == {1}
    assert tenant_store.foreign_days(writer.wal.writer_id) == [SWITCH_NS // NS_PER_DAY]


@pytest.mark.parametrize("leave", [fail, hang])
def test_queries_of_days_whose_manifests_cannot_be_read_fail(site: Site, leave: Callable[[AwayStore], None]) -> None:
    """A reader that has stood still finds the log trimmed: its rows are where it cannot look."""
    writer, reader = site.node(), site.node()
    old, new = writer.acknowledged([old_row(0)]), writer.acknowledged([new_row(0)])
    writer.flush()
    site.time.advance(TRIM_GRACE_S + READERS_GRACE_S)
    writer.send_all()
    writer.beat()
    writer.beat()
    new += writer.acknowledged([new_row(1)])
    leave(older_of(reader))
    site.time.advance(LIST_AGAIN_S)
    with running(reader.follower, older_of(reader)):
        wait_until(lambda: fresh_rows(reader) == new, deadline_s=SEEN_WITHIN_S, what="what can be read")
        site.time.advance(STALLED_S)
        with pytest.raises(Unavailable, match="the manifests in object store 1 cannot be read anew"):
            reader.rows()
        with pytest.raises(Unavailable):
            reader.rows_between(OLD_NS, OLD_NS + 10)
        assert fresh_rows(reader) == new
        older_of(reader).is_away = False
        older_of(reader).answers.set()
        wait_until(
            lambda: not reader.store.refusal_of_span(TenantId("t"), 0, NOW_NS),
            deadline_s=SEEN_WITHIN_S,
            what="the manifests",
        )
        assert reader.rows() == sorted(old + new)


def test_failures_are_told_when_they_begin_and_end_and_are_counted_by_store(site: Site) -> None:
    reader = site.node()
    fail(older_of(reader))
    site.time.advance(LIST_AGAIN_S)
    with structlog.testing.capture_logs() as logs, running(reader.follower, older_of(reader)):
        wait_until(lambda: failures(reader, "object store 1") >= 3, deadline_s=SEEN_WITHIN_S, what="three failures")
        older_of(reader).is_away = False
        wait_until(lambda: len(logs) > 1, deadline_s=SEEN_WITHIN_S, what="the end of the failures")
    assert [(one["log_level"], one["object_store"]) for one in logs] == [
        ("warning", "object store 1"),
        ("info", "object store 1"),
    ]
    assert failures(reader, "object store 2") == 0
    age_s = reader.registry.get_sample_value("lodur_wal_follow_age_seconds", {"store": "object store 1"})
    assert age_s is not None


def failures(node: WalNode, store: str) -> float:
    return node.registry.get_sample_value("lodur_wal_follow_failures_total", {"store": store}) or 0.0
