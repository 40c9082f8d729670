"""The compactor over stores on disk: merges, races, crashes at every write, grace, retention, damage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S
from lodur.model.matcher import Matcher, MatchOp
from lodur.store.compaction.options import CompactionPolicy, CompactorOptions, RetentionPeriods, StreamRetention
from lodur.store.compaction.policy import INPUTS_MAX
from lodur.store.days import NS_PER_DAY
from lodur.store.manifest import Claim, with_claim
from lodur.store.manifest_store import Committed, commit
from lodur.store.object_wal.lease import Lease, LeaseState, write_lease
from tests.compacting_node import TENANT, Crash, Node, Row

DAY = 20_000
NOON_NS = DAY * NS_PER_DAY + 12 * NS_PER_HOUR
OPTIONS = CompactorOptions(policy=CompactionPolicy(zstd_level=1, cold_zstd_level=8))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON_NS)


@pytest.fixture
def node(tmp_path: Path, clock: ManualClock) -> Iterator[Node]:
    node = Node(tmp_path, clock, options=OPTIONS)
    yield node
    node.stop()


def rows(name: str, count: int = 4, at_ns: int = NOON_NS, app: str = "x") -> list[Row]:
    return [(app, at_ns + number * NS_PER_S, f"{name} {number}") for number in range(count)]


def filled(node: Node, flushes: int = 8) -> list[Row]:
    """That many small segments of the day; all their rows."""
    pushed: list[Row] = []
    for number in range(flushes):
        fresh = rows(f"push {number}", at_ns=NOON_NS + number * NS_PER_MINUTE)
        node.push(fresh)
        node.flush()
        pushed += fresh
    return sorted(pushed)


def pass_days(clock: ManualClock, days: float) -> None:
    clock.advance(days * 86_400)


def live(node: Node) -> Sequence[str]:
    return [meta.path for meta in node.tenant_store.live()]


def test_small_segments_become_one(node: Node, clock: ManualClock) -> None:
    pushed = filled(node)
    node.push(rows("in memory"))
    node.compact()
    (merged,) = node.tenant_store.live()
    assert (merged.level, merged.rows, merged.zstd_level) == (1, len(pushed), 1)
    assert node.rows() == sorted(pushed + rows("in memory"))
    assert node.metric("lodur_compactions_total") == 0
    assert node.registry.get_sample_value("lodur_compactions_total", {"reason": "many"}) == 1


def test_inputs_stay_for_readers_and_then_go(node: Node, clock: ManualClock) -> None:
    pushed = filled(node)
    node.compact()
    assert len(node.files()) == 9
    clock.advance(14 * 60)
    node.compact()
    assert len(node.files()) == 9
    clock.advance(2 * 60)
    node.compact()
    assert node.files() == live(node)
    assert node.metric("lodur_segments_deleted_total") == 8
    manifest = node.tenant_store.known_day(DAY)
    assert manifest is not None
    assert manifest.manifest.removed == ()
    assert manifest.manifest.claim is None
    assert node.rows() == pushed


def test_what_is_to_be_deleted_is_remembered_over_a_restart(node: Node, clock: ManualClock) -> None:
    pushed = filled(node)
    node.compact()
    node.stop()
    node.start()
    assert len(node.files()) == 9
    clock.advance(16 * 60)
    node.compact()
    assert node.files() == live(node)
    assert node.rows() == pushed


def test_entries_that_came_again_are_one(node: Node, clock: ManualClock) -> None:
    first = rows("again")
    node.push(first)
    node.flush()
    for number in range(7):
        node.push(rows(f"other {number}"))
        node.flush()
    node.push(first)
    node.flush()
    assert node.counted_rows() == 9 * 4
    node.compact()
    assert node.counted_rows() == 8 * 4
    assert node.registry.get_sample_value("lodur_compaction_repeated_rows_total", {"tenant": "t"}) == 4


def test_a_day_is_merged_and_compressed_for_good_once_settled(node: Node, clock: ManualClock) -> None:
    pushed = filled(node, flushes=3)
    node.compact()
    assert len(live(node)) == 3
    pass_days(clock, 0.6)
    node.compact()
    assert [meta.zstd_level for meta in node.tenant_store.live()] == [8]
    assert node.metric("lodur_write_amplification") == 2
    settled = live(node)
    pass_days(clock, 10)
    node.compact()
    assert live(node) == settled
    assert node.rows() == pushed


def test_a_flush_under_way_is_not_seen_twice(node: Node) -> None:
    pushed = filled(node, flushes=7)
    node.push(rows("last"))
    generation = node.tenant_store.freeze()
    assert generation is not None
    done: dict[int, Committed] = {}
    node.store.writer.flush(node.tenant_store, generation, done)
    # Committed, and merged before the head was told.
    node.store.refresh(node.tenant_store, DAY)
    node.compact()
    assert node.counted_rows() == len(pushed) + 4
    node.tenant_store.flushed(generation, done)
    assert node.counted_rows() == len(pushed) + 4
    assert node.rows() == sorted(pushed + rows("last"))
    (merged,) = node.tenant_store.live()
    assert merged.rows == len(pushed) + 4


@pytest.mark.parametrize("dies_after", [False, True])
@pytest.mark.parametrize("write", range(4))
def test_a_crash_at_every_write_of_a_merge(node: Node, clock: ManualClock, write: int, *, dies_after: bool) -> None:
    pushed = filled(node)
    node.objects.writes_left, node.objects.dies_after = write, dies_after
    with pytest.raises(Crash):
        node.compactor.run_once()
    node.stop()
    node.start()
    assert node.rows() == pushed
    assert node.counted_rows() == len(pushed)
    node.compact()
    clock.advance(31 * 60)
    node.compact()
    assert node.rows() == pushed
    assert node.counted_rows() == len(pushed)
    assert node.files() == live(node)
    assert len(live(node)) == 1


def test_another_process_that_works_on_the_day_is_left_alone(node: Node, clock: ManualClock) -> None:
    filled(node)
    claim = Claim("somebody", clock.now_ns() + NS_PER_MINUTE)
    commit(node.objects, TENANT, DAY, node.tenant_store.known_day(DAY), lambda m: with_claim(m, claim, clock.now_ns()))
    node.compact()
    assert len(live(node)) == 8
    clock.advance(61)
    node.compact()
    assert len(live(node)) == 1


def test_the_claim_of_a_process_that_has_ended_holds_no_more(node: Node, clock: ManualClock) -> None:
    filled(node)
    claim = Claim("somebody", clock.now_ns() + NS_PER_MINUTE)
    commit(node.objects, TENANT, DAY, node.tenant_store.known_day(DAY), lambda m: with_claim(m, claim, clock.now_ns()))
    lease = write_lease(node.objects, "somebody", Lease("somebody"), None)
    node.compact()
    assert len(live(node)) == 8
    write_lease(node.objects, "somebody", Lease("else", LeaseState.ADOPTING, epoch=2), lease)
    node.compact()
    assert len(live(node)) == 1


def test_a_claim_is_made_anew_at_each_merge(node: Node, tmp_path: Path, clock: ManualClock) -> None:
    """A day of two merges that together take longer than a claim lasts; another process asks for it in between."""
    filled(node, flushes=INPUTS_MAX + 8)
    pass_days(clock, 0.6)
    other = Node(tmp_path, clock, name="b", options=OPTIONS)
    merge, merged = node.compactor._merger.merge, 0

    def slow(*arguments: object) -> object:
        nonlocal merged
        clock.advance(9 * 60)
        other.refresh()
        other.compact()
        merged += 1
        return merge(*arguments)  # type: ignore[arg-type]

    node.compactor._merger.merge = slow  # type: ignore[assignment,method-assign]
    node.compact()
    assert merged == 2
    assert node.metric("lodur_compaction_lost_total") == 0
    assert other.registry.get_sample_value("lodur_compactions_total", {"reason": "settled"}) is None
    other.stop()


def test_of_two_processes_the_later_steps_aside(node: Node, tmp_path: Path, clock: ManualClock) -> None:
    pushed = filled(node)
    other = Node(tmp_path, clock, name="b", options=OPTIONS)
    known = other.tenant_store.known_day(DAY)
    node.compact()
    winner = live(node)
    # The other one still has the day as it was.
    assert other.tenant_store.known_day(DAY) == known
    other.compact()
    assert live(other) == winner
    assert node.rows() == other.rows() == pushed
    clock.advance(16 * 60)
    node.compact()
    other.compact()
    assert node.files() == winner
    other.stop()


def test_a_merge_that_lost_the_race_deletes_its_own_work_alone(
    node: Node, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = filled(node)
    other = Node(tmp_path, clock, name="b", options=OPTIONS)
    merge = node.compactor._merger.merge

    def overtaken(*arguments: object) -> object:
        outcome = merge(*arguments)  # type: ignore[arg-type]
        clock.advance(31 * 60)
        other.compact()
        return outcome

    monkeypatch.setattr(node.compactor._merger, "merge", overtaken)
    node.compact()
    assert node.metric("lodur_compaction_lost_total") == 1
    assert live(node) == live(other)
    assert set(node.files()) >= set(live(node))
    assert node.rows() == other.rows() == pushed
    monkeypatch.undo()
    clock.advance(31 * 60)
    node.compact()
    assert node.files() == live(node)
    assert node.rows() == pushed
    other.stop()


def test_a_reader_with_an_old_manifest_finds_the_new_segments(node: Node, tmp_path: Path, clock: ManualClock) -> None:
    pushed = filled(node)
    reader = Node(tmp_path, clock, name="b", options=OPTIONS)
    node.compact()
    clock.advance(16 * 60)
    node.compact()
    assert len(node.files()) == 1
    assert len(live(reader)) == 8
    assert reader.rows() == pushed
    assert live(reader) == live(node)
    assert reader.store.set_aside() == {}
    reader.stop()


def test_a_damaged_input_is_set_aside_and_the_others_are_merged(node: Node, clock: ManualClock) -> None:
    pushed = filled(node, flushes=9)
    broken = node.tenant_store.live()[4]
    path = node.objects.local_path(broken.path)
    assert path is not None
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF
    path.write_bytes(data)
    node.compact()
    assert list(node.store.set_aside()) == [broken.path]
    assert sorted(meta.rows for meta in node.tenant_store.live()) == [4, 32]
    assert node.rows() == [row for row in pushed if not row[2].startswith("push 4 ")]
    assert path.exists()


def test_a_missing_input_is_set_aside(node: Node) -> None:
    filled(node, flushes=9)
    gone = node.tenant_store.live()[2]
    node.objects.delete(gone.path)
    node.compact()
    assert list(node.store.set_aside()) == [gone.path]
    assert sorted(meta.rows for meta in node.tenant_store.live()) == [4, 32]


def expiring(node: Node, periods: RetentionPeriods) -> None:
    """Enforce retention from now on."""
    node.stop()
    node.options = replace(OPTIONS, retention_enabled=True)
    node.periods = periods
    node.start()


def test_expired_segments_are_dropped_without_being_read(node: Node, clock: ManualClock) -> None:
    filled(node)
    node.compact()
    expiring(node, RetentionPeriods(period_ns=2 * NS_PER_DAY))
    merged = node.tenant_store.live()[0]
    path = node.objects.local_path(merged.path)
    assert path is not None
    pass_days(clock, 1.9)
    node.compact()
    assert len(live(node)) == 1
    # Nobody can read it any more, and nobody needs to.
    for file in node.files():
        known = node.objects.local_path(file)
        assert known is not None
        known.write_bytes(b"")
    pass_days(clock, 0.2)
    node.compact()
    assert live(node) == []
    assert node.rows() == []
    assert node.store.set_aside() == {}
    assert len(node.files()) > 0
    clock.advance(2 * 3600 + 1)
    node.compact()
    assert node.files() == []


@pytest.mark.parametrize("is_missing", [False, True])
def test_what_is_set_aside_expires_like_all_else(node: Node, clock: ManualClock, *, is_missing: bool) -> None:
    """A damaged segment and one that is gone; while they have not expired they stay where they are."""
    filled(node, flushes=9)
    expiring(node, RetentionPeriods(period_ns=2 * NS_PER_DAY, streams=(StreamRetention((), 1, 3 * NS_PER_DAY),)))
    broken = node.tenant_store.live()[4]
    path = node.objects.local_path(broken.path)
    assert path is not None
    if is_missing:
        path.unlink()
    else:
        path.write_bytes(bytes(broken.file_bytes))
    node.compact()
    assert list(node.store.set_aside()) == [broken.path]
    pass_days(clock, 2.9)
    node.compact()
    assert broken.path in live(node)
    pass_days(clock, 0.2)
    node.compact()
    assert live(node) == []
    assert node.store.set_aside() == {}
    clock.advance(2 * 3600 + 1)
    node.compact()
    assert node.files() == []


def test_nothing_expires_where_retention_is_not_enabled(node: Node, clock: ManualClock) -> None:
    pushed = filled(node)
    node.periods = RetentionPeriods(period_ns=NS_PER_DAY)
    pass_days(clock, 30)
    node.compact()
    assert node.rows() == pushed


def test_streams_have_periods_of_their_own(node: Node, clock: ManualClock) -> None:
    node.push(rows("a", app="short") + rows("b", app="long") + rows("c", app="rest"))
    node.flush()

    def selector(op: MatchOp, value: str) -> tuple[Matcher, ...]:
        return (Matcher("app", op, value),)

    streams = (
        StreamRetention(selector(MatchOp.MATCHES, "short|long"), 1, NS_PER_DAY),
        StreamRetention(selector(MatchOp.EQUAL, "long"), 2, 40 * NS_PER_DAY),
    )
    expiring(node, RetentionPeriods(period_ns=10 * NS_PER_DAY, streams=streams))
    node.compact()
    assert {app for app, _, _ in node.rows()} == {"short", "long", "rest"}
    pass_days(clock, 1.1)
    node.compact()
    assert {app for app, _, _ in node.rows()} == {"long", "rest"}
    pass_days(clock, 9)
    node.compact()
    assert {app for app, _, _ in node.rows()} == {"long"}
    assert node.registry.get_sample_value("lodur_retention_expired_rows_total", {"tenant": "t"}) == 8
    pass_days(clock, 31)
    node.compact()
    assert node.rows() == []


def test_a_merge_leaves_out_what_has_expired_of_its_streams(node: Node, clock: ManualClock) -> None:
    early = rows("early", at_ns=NOON_NS - 11 * NS_PER_HOUR)
    late = rows("late", at_ns=NOON_NS + 10 * NS_PER_HOUR)
    node.push(early)
    node.flush()
    node.push(late)
    node.flush()
    expiring(node, RetentionPeriods(period_ns=NS_PER_DAY, streams=()))
    pass_days(clock, 0.6)
    clock.advance(2 * 3600)
    assert node.rows() == sorted(early + late)
    node.compact()
    assert node.rows() == late


def test_retention_has_an_interval_of_its_own(node: Node, clock: ManualClock) -> None:
    node.push(rows("a"))
    node.flush()
    expiring(node, RetentionPeriods(period_ns=NS_PER_DAY))
    node.stop()
    policy = replace(OPTIONS.policy, cold_zstd_level=0)
    node.options = replace(node.options, policy=policy, retention_interval_ns=3 * NS_PER_DAY)
    node.start()
    node.compact()
    pass_days(clock, 2)
    node.compact()
    assert len(node.rows()) == 4
    pass_days(clock, 1)
    node.compact()
    assert node.rows() == []


def test_a_merged_segment_is_plain_parquet(node: Node, clock: ManualClock) -> None:
    pushed = filled(node)
    pass_days(clock, 3)
    node.compact()
    (merged,) = node.tenant_store.live()
    path = node.objects.local_path(merged.path)
    query = "select app, epoch_ns(timestamp), line from read_parquet(?)"
    with duckdb.connect() as connection:
        found: list[Row] = connection.execute(query, [str(path)]).fetchall()
    assert sorted(found) == pushed
