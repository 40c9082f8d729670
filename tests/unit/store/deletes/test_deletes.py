"""Delete requests over stores on disk: seen at once, carried out by the compactor, told and kept for good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lodur.kernels.segment import Segment
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S
from lodur.model.errors import InvalidRequest, NotFound
from lodur.model.time_span import TimeSpan
from lodur.store.compaction.options import CompactionPolicy, CompactorOptions
from lodur.store.days import NS_PER_DAY
from lodur.store.deletes.requests import ARRIVAL_SLACK_NS
from lodur.store.manifest_store import commit
from tests.compacting_node import TENANT, Node, Row
from tests.faults.faulty_store import Bucket
from tests.faults.process import Process, Site

NOON_NS = 20_000 * NS_PER_DAY + 12 * NS_PER_HOUR
OPTIONS = CompactorOptions(retention_enabled=True, policy=CompactionPolicy(zstd_level=1, cold_zstd_level=8))
DAY_S = 86_400.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON_NS + NS_PER_HOUR)


@pytest.fixture
def node(tmp_path: Path, clock: ManualClock) -> Iterator[Node]:
    node = Node(tmp_path, clock, options=OPTIONS)
    yield node
    node.stop()


def rows(name: str, count: int = 4, at_ns: int = NOON_NS, app: str = "x") -> list[Row]:
    return [(app, at_ns + number * NS_PER_S, f"{name} {number}") for number in range(count)]


def test_a_request_hides_rows_of_head_and_segments_at_once(node: Node) -> None:
    node.push(rows("flushed") + rows("secret", app="y"))
    node.flush()
    node.push(rows("in memory", at_ns=NOON_NS + NS_PER_MINUTE))
    node.delete('{app="x"} |= "1"', NOON_NS, NOON_NS + NS_PER_HOUR)
    kept = rows("flushed") + rows("secret", app="y") + rows("in memory", at_ns=NOON_NS + NS_PER_MINUTE)
    assert node.rows() == sorted(row for row in kept if row[0] == "y" or "1" not in row[2])


def test_both_ends_of_its_time_are_meant(node: Node) -> None:
    node.push(rows("line"))
    node.flush()
    node.delete('{app="x"}', NOON_NS + NS_PER_S, NOON_NS + 2 * NS_PER_S)
    assert [line for _, _, line in node.rows()] == ["line 0", "line 3"]


def test_the_compactor_removes_what_was_asked_after_the_cancel_period(node: Node, clock: ManualClock) -> None:
    node.push(rows("flushed"))
    node.flush()
    made = node.delete('{app="x"} |= "1"', NOON_NS, NOON_NS + NS_PER_HOUR)
    node.compact()
    assert node.statuses() == {made: "received"}
    assert node.counted_rows() == 4
    clock.advance(DAY_S + 1)
    node.compact()
    assert node.counted_rows() == 3
    assert node.statuses() == {made: "processed"}
    (trail,) = node.deletes.trails(TENANT)
    (removed,) = trail.removed
    assert (trail.request.created_by, removed.rows, removed.by) == ("test", 1, node.wal.writer_id)
    assert removed.into == tuple(meta.id for meta in node.tenant_store.live())
    with_deleted = {one.segment for one in trail.removed}
    assert with_deleted <= set(node.files())
    clock.advance(15 * 60.0)
    node.compact()
    assert with_deleted.isdisjoint(node.files())


def test_whole_segments_go_without_being_read(node: Node, clock: ManualClock) -> None:
    node.push(rows("flushed"))
    node.flush()
    node.push(rows("other", app="y", at_ns=NOON_NS + NS_PER_MINUTE))
    node.flush()
    node.delete('{app="x"}', NOON_NS, NOON_NS + NS_PER_HOUR)
    clock.advance(DAY_S + 1)
    node.compact()
    assert node.metric("lodur_compaction_read_bytes_total") == 0
    assert [app for app, _, _ in node.rows()] == ["y"] * 4
    (trail,) = node.deletes.trails(TENANT)
    assert [(one.rows, one.into) for one in trail.removed] == [(4, ())]


def test_a_request_that_touches_nothing_rewrites_nothing(node: Node, clock: ManualClock) -> None:
    node.push(rows("flushed"))
    node.flush()
    made = node.delete('{app="x"} |= "nowhere to be found"', NOON_NS, NOON_NS + NS_PER_HOUR)
    before = node.files()
    clock.advance(DAY_S + 1)
    node.compact()
    assert node.files() == before
    assert node.statuses() == {made: "processed"}


def test_a_cancelled_request_hides_nothing(node: Node) -> None:
    node.push(rows("flushed"))
    made = node.delete('{app="x"}', NOON_NS, NOON_NS + NS_PER_HOUR)
    assert node.rows() == []
    node.deletes.cancel(TENANT, made, force=False, by="somebody")
    assert node.rows() == rows("flushed")
    with pytest.raises(NotFound):
        node.deletes.cancel(TENANT, made, force=False, by="somebody")
    (trail,) = node.deletes.trails(TENANT)
    assert trail.cancelled is not None
    assert trail.cancelled.by == "somebody"


def test_after_the_cancel_period_only_force_cancels(node: Node, clock: ManualClock) -> None:
    node.push(rows("in memory"))
    made = node.delete('{app="x"}', NOON_NS, NOON_NS + NS_PER_HOUR)
    clock.advance(DAY_S + 1)
    with pytest.raises(InvalidRequest, match="past the deadline of 24h0m0s since its creation"):
        node.deletes.cancel(TENANT, made, force=False, by="")
    node.compact()
    assert node.statuses() == {made: "0% Complete"}
    node.deletes.cancel(TENANT, made, force=True, by="")
    assert node.rows() == rows("in memory")


def test_requests_survive_a_restart_and_are_seen_by_other_processes(
    node: Node, clock: ManualClock, tmp_path: Path
) -> None:
    node.push(rows("flushed"))
    node.flush()
    other = Node(tmp_path, clock, name="b", options=OPTIONS)
    assert other.rows() == rows("flushed")
    node.delete('{app="x"} |~ "[12]"', NOON_NS, NOON_NS + NS_PER_HOUR)
    clock.advance(10.0)
    assert [line for _, _, line in other.rows()] == ["flushed 0", "flushed 3"]
    other.stop()
    node.stop()
    node.start()
    assert [line for _, _, line in node.rows()] == ["flushed 0", "flushed 3"]


def test_rows_that_come_back_from_a_log_stay_deleted(node: Node, clock: ManualClock, tmp_path: Path) -> None:
    """Another process accepted them before, and was down while the request was processed."""
    other = Node(tmp_path, clock, name="b", options=OPTIONS)
    other.push(rows("accepted long ago"))
    other.stop()
    made = node.delete('{app="x"}', NOON_NS, NOON_NS + NS_PER_HOUR)
    clock.advance(DAY_S + 1)
    node.compact()
    assert node.statuses() == {made: "processed"}
    clock.advance(100 * DAY_S)
    other.start()
    assert other.rows() == []
    other.flush()
    assert other.rows() == []
    assert other.counted_rows() == 4
    other.compact()
    assert other.counted_rows() == 0
    other.stop()


def test_what_is_pushed_after_a_request_was_processed_stays(node: Node, clock: ManualClock) -> None:
    node.push(rows("first"))
    node.flush()
    node.delete('{app="x"}', NOON_NS, NOON_NS + NS_PER_HOUR)
    clock.advance(DAY_S + 1)
    node.compact()
    assert node.rows() == []
    clock.advance(NS_PER_MINUTE / NS_PER_S + 1)
    node.push(rows("again"))
    assert node.rows() == rows("again")
    node.flush()
    clock.advance(DAY_S)
    for _ in range(3):
        node.compact()
    assert node.rows() == rows("again")


@pytest.mark.parametrize("restarts", [False, True])
def test_the_same_rows_pushed_again_after_a_request_was_carried_out_stay(
    tmp_path: Path, clock: ManualClock, *, restarts: bool
) -> None:
    """They are no client's retry, though the process remembers what it flushed last."""
    process = Process(Bucket(tmp_path / "store"), tmp_path, "a", "1", clock, Site(remote=False))
    process.push(rows("first"))
    if restarts:
        process.stop()
        process.start()
    process.flush()
    process.next_id = "00000001"
    span = TimeSpan(NOON_NS, NOON_NS + NS_PER_HOUR)
    process.deletes.add(TENANT, process.deletes.new_request('{app="x"}', span, max_interval_ns=0, by=""))
    clock.advance(DAY_S)
    process.compact()
    assert process.rows() == []
    clock.advance(ARRIVAL_SLACK_NS / NS_PER_S + 1)
    process.push(rows("first"))
    assert process.rows() == rows("first")
    process.push(rows("first"))
    process.flush()
    clock.advance(DAY_S)
    process.compact()
    assert process.rows() == rows("first")
    assert sum(meta.rows for meta in process.tenant_store.live()) == 4
    process.stop()


def test_a_damaged_gram_filter_holds_up_no_other_segment(node: Node, clock: ManualClock) -> None:
    node.push(rows("a long enough line"))
    node.flush()
    node.push(rows("other long enough line", at_ns=NOON_NS + NS_PER_MINUTE))
    node.flush()
    damaged, sound = node.tenant_store.live()
    made = node.delete('{app="x"} |= "long enough"', NOON_NS, NOON_NS + NS_PER_HOUR)
    request = node.deletions.known(TENANT).requests[0]
    file = node.directory / node.target / damaged.path
    compiled = node.deletions.compiled(TENANT, [request])
    assert compiled is not None
    (offset, _), *_ = compiled.probe_ranges(Segment.open_file(file))
    data = bytearray(file.read_bytes())
    data[offset] ^= 1
    file.write_bytes(data)
    clock.advance(DAY_S + 1)
    node.compact()
    assert damaged.path in node.store.set_aside()
    assert [meta.path for meta in node.tenant_store.live()] == [damaged.path]
    assert node.statuses() == {made: "processed"}
    assert sound.path not in node.store.set_aside()
    (trail,) = node.deletes.trails(TENANT)
    assert (trail.unread, [one.segment for one in trail.removed]) == ((damaged.path,), [sound.path])

    # When its file is whole again, the request that was processed is carried out on it too.
    data[offset] ^= 1
    file.write_bytes(data)
    node.stop()
    node.start()
    assert (node.rows(), node.counted_rows()) == ([], 4)
    node.compact()
    assert node.counted_rows() == 0
    (trail,) = node.deletes.trails(TENANT)
    assert (trail.unread, [one.segment for one in trail.removed]) == ((damaged.path,), [sound.path, damaged.path])


def test_only_segments_that_may_have_entries_of_a_request_are_told_as_unread(node: Node, clock: ManualClock) -> None:
    for at_ns in (NOON_NS, NOON_NS + NS_PER_HOUR):
        node.push(rows("line", at_ns=at_ns))
        node.flush()
    missing, other = node.tenant_store.live()
    for meta in (missing, other):
        node.objects.delete(meta.path)
    node.delete('{app="x"}', NOON_NS, NOON_NS + NS_PER_MINUTE)
    assert node.rows() == []
    assert set(node.store.set_aside()) == {missing.path, other.path}
    clock.advance(DAY_S + 1)
    for _ in range(2):
        node.compact()
        (trail,) = node.deletes.trails(TENANT)
        assert (trail.request.is_processed, trail.unread, trail.removed) == (True, (missing.path,), ())


def test_a_segment_that_a_rebuilt_manifest_could_not_read_loses_only_what_was_deleted(
    node: Node, clock: ManualClock
) -> None:
    node.push(rows("line"))
    node.flush()
    day = NOON_NS // NS_PER_DAY
    known = node.tenant_store.known_day(day)
    assert known is not None
    (meta,) = known.manifest.segments
    unread = replace(meta, rows=0, line_bytes=0, streams=0, crc32=None)
    store = node.store.writer.stores.of_day(day)
    committed = commit(store, TENANT, day, known, lambda manifest: replace(manifest, segments=(unread,)))
    node.store.adopt(node.tenant_store, day, committed)
    made = node.delete('{app="x"} |= "1"', NOON_NS, NOON_NS + NS_PER_HOUR)
    clock.advance(DAY_S + 1)
    node.compact()
    assert node.statuses() == {made: "processed"}
    assert [line for _, _, line in node.rows()] == ["line 0", "line 2", "line 3"]
    assert [one.rows for one in node.tenant_store.live()] == [3]
