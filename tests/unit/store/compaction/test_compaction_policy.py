"""What to merge: groups of neighbours, once a day is settled and once it is cold; bounded work, nothing left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodur.model.limits import MIB
from lodur.store.compaction.options import CompactionPolicy
from lodur.store.compaction.policy import (
    INPUTS_MAX,
    OPEN_DAY_INPUTS_MIN,
    OUTPUTS_MAX,
    Compaction,
    CompactionReason,
    plan_compactions,
    rewriting,
    time_parts,
)
from lodur.store.days import NS_PER_DAY
from lodur.store.manifest import Manifest, Replaced, SegmentMeta, with_replaced

HOUR_NS = NS_PER_DAY // 24
DAY = 20_000
START_NS = DAY * NS_PER_DAY
OPEN_NS = START_NS + 12 * HOUR_NS
SETTLED_NS = START_NS + NS_PER_DAY + 2 * HOUR_NS
COLD_NS = START_NS + 2 * NS_PER_DAY

POLICY = CompactionPolicy(target_bytes=1024 * MIB)


def segment(number: int, mib: float, from_h: float = 0.0, to_h: float = 23.0, zstd_level: int = 1) -> SegmentMeta:
    min_ts_ns, max_ts_ns = START_NS + int(from_h * HOUR_NS), START_NS + int(to_h * HOUR_NS)
    size = max(1, int(mib * MIB))
    name = f"s{number}"
    return SegmentMeta(name, f"t/{name}", min_ts_ns, max_ts_ns, size, size, size // 4, 1, 0, zstd_level)


def segments(*mib: float, zstd_level: int = 1) -> list[SegmentMeta]:
    """Of these sizes, an hour each, one after the other."""
    return [segment(i, size, i % 23, i % 23 + 0.99, zstd_level) for i, size in enumerate(mib)]


def planned(live: Sequence[SegmentMeta], now_ns: int, policy: CompactionPolicy = POLICY) -> list[tuple[str, list[str]]]:
    plan = plan_compactions(DAY, live, policy, now_ns)
    return [(compaction.reason.value, [one.id for one in compaction.inputs]) for compaction in plan]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((), []),
        ((1,), []),
        ((256, 256, 256), []),
        ((256, 256, 256, 256), [("full", ["s0", "s1", "s2", "s3"])]),
        ((256,) * 9, [("full", ["s0", "s1", "s2", "s3"]), ("full", ["s4", "s5", "s6", "s7"])]),
        ((1,) * 7, []),
        ((1,) * 8, [("many", [f"s{i}" for i in range(8)])]),
        ((1,) * 11, [("many", [f"s{i}" for i in range(11)])]),
        ((600, 600, 600), []),
        ((400, *(1,) * 8), [("many", [f"s{i}" for i in range(1, 9)])]),
        ((900, 256, 256, 256, 256, 900), [("full", ["s1", "s2", "s3", "s4"])]),
    ],
)
def test_an_open_day(sizes: tuple[float, ...], expected: list[tuple[str, list[str]]]) -> None:
    assert planned(segments(*sizes), OPEN_NS) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((5,), []),
        ((5, 5), [("settled", ["s0", "s1"])]),
        ((256, 256, 256), [("settled", ["s0", "s1", "s2"])]),
        ((400, 10), []),
        ((400, 100, 40), [("settled", ["s0", "s1", "s2"])]),
        ((400, 10, 3), []),
        ((400, 10, 9), [("settled", ["s1", "s2"])]),
        ((900, 900), []),
    ],
)
def test_a_settled_day(sizes: tuple[float, ...], expected: list[tuple[str, list[str]]]) -> None:
    assert planned(segments(*sizes), SETTLED_NS) == expected


def test_a_cold_day_is_compressed_for_good_once() -> None:
    live = segments(900, 900)
    assert planned(live, COLD_NS) == [("cold", ["s0"]), ("cold", ["s1"])]
    (first, _) = plan_compactions(DAY, live, POLICY, COLD_NS)
    assert first.zstd_level == POLICY.cold_zstd_level
    done = [replace(one, zstd_level=POLICY.cold_zstd_level) for one in live]
    assert planned(done, COLD_NS) == []
    assert planned([*done, segment(9, 1)], COLD_NS) == [("cold", ["s9"])]
    thorough = [replace(one, zstd_level=POLICY.cold_zstd_level + 1) for one in live]
    assert planned(thorough, COLD_NS) == []
    assert planned(live, COLD_NS, replace(POLICY, cold_zstd_level=0)) == []


def test_what_is_not_merged_again_is_compressed_for_good_at_once() -> None:
    small, large = segments(*(1,) * 8), segments(256, 256, 256, 256)

    def levels(live: Sequence[SegmentMeta], now_ns: int, policy: CompactionPolicy = POLICY) -> list[int]:
        return [compaction.zstd_level for compaction in plan_compactions(DAY, live, policy, now_ns)]

    assert levels(small, OPEN_NS) == [POLICY.zstd_level]
    assert levels(large, OPEN_NS) == levels(small, SETTLED_NS) == [POLICY.cold_zstd_level]
    assert levels(large, OPEN_NS, replace(POLICY, cold_zstd_level=0)) == [POLICY.zstd_level]
    done = segment(0, 900, zstd_level=POLICY.cold_zstd_level)
    again = [rewriting(DAY, one, POLICY, OPEN_NS, CompactionReason.DELETED) for one in (done, segment(1, 900))]
    assert [compaction.zstd_level for compaction in again] == [POLICY.cold_zstd_level, POLICY.zstd_level]


@pytest.mark.parametrize(
    ("levels", "sizes", "level"),
    [
        ((6,) * 8, (70,) * 8, 6),
        ((9,) * 8, (70,) * 8, 6),
        ((1,) * 8, (70,) * 8, 1),
        ((0,) * 8, (70,) * 8, 1),
        ((6, *(1,) * 8), (100, *(40,) * 8), 1),
        ((6, 1, 1, 6, 1, 6, 1, 6), (70, 2, 3, 70, 1, 70, 4, 70), 6),
        ((6,) * 4 + (1,) * 4, (40,) * 8, 1),
    ],
    ids=["good", "better", "fast", "another codec", "mostly fast", "mostly good", "as much of each"],
)
def test_a_merge_that_is_merged_again_keeps_what_most_of_it_is(
    levels: tuple[int, ...], sizes: tuple[float, ...], level: int
) -> None:
    live = [replace(one, zstd_level=zstd_level) for one, zstd_level in zip(segments(*sizes), levels, strict=True)]
    (compaction,) = plan_compactions(DAY, live, POLICY, OPEN_NS)
    assert (compaction.reason, len(compaction.inputs)) == (CompactionReason.MANY, len(live))
    assert compaction.zstd_level == level
    (fast,) = plan_compactions(DAY, live, replace(POLICY, cold_zstd_level=0), OPEN_NS)
    assert fast.zstd_level == POLICY.zstd_level


@pytest.mark.parametrize(("sizes", "now_ns"), [((256,) * 4, OPEN_NS), ((256, 1, 256), SETTLED_NS)])
def test_what_makes_a_large_segment_or_ends_a_day_is_for_good(sizes: tuple[float, ...], now_ns: int) -> None:
    for levels in ((1, 6, 1, 6), (6,) * 4):
        live = [replace(one, zstd_level=level) for one, level in zip(segments(*sizes), levels, strict=False)]
        (compaction,) = plan_compactions(DAY, live, POLICY, now_ns)
        assert compaction.zstd_level == POLICY.cold_zstd_level


def test_cold_segments_that_overlap_are_cut_by_time() -> None:
    live = [segment(i, 900, 0, 20) for i in range(4)]
    (compaction,) = plan_compactions(DAY, live, POLICY, COLD_NS)
    assert compaction.reason is CompactionReason.COLD
    assert len(compaction.spans) == 4
    assert compaction.spans[0].start_ns == START_NS
    assert compaction.spans[-1].end_ns == START_NS + 20 * HOUR_NS + 1
    for span in compaction.spans:
        assert abs(span.length_ns - 5 * HOUR_NS) <= 2


def test_the_order_of_equal_timestamps_is_kept() -> None:
    # The large one came between and holds the same hours: what came before it must not come after it.
    live = [segment(0, 5), segment(1, 900), segment(2, 5)]
    assert planned(live, SETTLED_NS) == []
    apart = [segment(0, 5, 0, 1), segment(1, 900, 2, 3), segment(2, 5, 2, 4)]
    assert planned(apart, SETTLED_NS) == [("settled", ["s0", "s2"])]


def test_busy_segments_are_left_alone() -> None:
    plan = plan_compactions(DAY, segments(5, 5, 5), POLICY, SETTLED_NS, busy=frozenset({"t/s1"}))
    assert [[one.id for one in compaction.inputs] for compaction in plan] == [["s0", "s2"]]


sizes_mib = st.one_of(st.floats(0.001, 1), st.floats(1, 60), st.floats(200, 300), st.floats(400, 3000))
drawn_segments = st.builds(
    lambda mib, from_h, length_h, level: (mib, from_h, min(23.9, from_h + length_h), level),
    sizes_mib,
    st.floats(0, 23),
    st.floats(0, 24),
    st.sampled_from([0, 1, 6, 8]),
)
moments = st.sampled_from([OPEN_NS, SETTLED_NS, COLD_NS])


@given(drawn=st.lists(drawn_segments, max_size=80), now_ns=moments)
def test_a_plan_holds_what_it_promises(drawn: list[tuple[float, float, float, int]], now_ns: int) -> None:
    live = [segment(i, *facts) for i, facts in enumerate(drawn)]
    plan = plan_compactions(DAY, live, POLICY, now_ns)
    assert plan == plan_compactions(DAY, live, POLICY, now_ns)
    inputs = [one.path for compaction in plan for one in compaction.inputs]
    assert len(inputs) == len(set(inputs))
    order = [one.path for one in live]
    for compaction in plan:
        assert 1 <= len(compaction.inputs) <= INPUTS_MAX
        assert 1 <= len(compaction.spans) <= OUTPUTS_MAX
        assert [order.index(one.path) for one in compaction.inputs] == sorted(
            order.index(one.path) for one in compaction.inputs
        )
        assert_spans_hold_all(compaction)
        assert_order_is_kept(compaction, live)


def assert_spans_hold_all(compaction: Compaction) -> None:
    assert compaction.spans[0].start_ns == min(one.min_ts_ns for one in compaction.inputs)
    assert compaction.spans[-1].end_ns == max(one.max_ts_ns for one in compaction.inputs) + 1
    for earlier, later in zip(compaction.spans, compaction.spans[1:], strict=False):
        assert earlier.end_ns == later.start_ns


def assert_order_is_kept(compaction: Compaction, live: Sequence[SegmentMeta]) -> None:
    paths = {one.path for one in compaction.inputs}
    last = max(i for i, one in enumerate(live) if one.path in paths)
    for i, one in enumerate(live[:last]):
        for other in live[i + 1 : last]:
            if one.path in paths and other.path not in paths:
                assert one.max_ts_ns < other.min_ts_ns or other.max_ts_ns < one.min_ts_ns


@given(drawn=st.lists(drawn_segments, min_size=1, max_size=20), parts=st.integers(1, OUTPUTS_MAX))
def test_parts_of_time_share_the_bytes(drawn: list[tuple[float, float, float, int]], parts: int) -> None:
    group = [segment(i, *facts) for i, facts in enumerate(drawn)]
    spans = time_parts(group, parts)
    assert 1 <= len(spans) <= parts
    assert sum(span.length_ns for span in spans) == spans[-1].end_ns - spans[0].start_ns


@dataclass
class Simulation:
    """A day as the compactor works on it, with bytes for rows: how often each flushed byte is written."""

    policy: CompactionPolicy
    manifest: Manifest = field(default_factory=lambda: Manifest("d"))
    flushed_bytes: int = 0
    written_bytes: int = 0
    steps: int = 0
    numbers: int = 0

    def flush(self, mib: float, from_h: float, to_h: float, zstd_level: int = 1) -> None:
        self.numbers += 1
        one = segment(self.numbers, mib, from_h, to_h, zstd_level)
        self.flushed_bytes += one.line_bytes
        self.manifest = replace(self.manifest, segments=(*self.manifest.segments, one))

    def compact(self, now_ns: int) -> None:
        for _ in range(200):
            plan = plan_compactions(DAY, self.manifest.segments, self.policy, now_ns)
            if not plan:
                return
            self.carry_out(plan[0])
        raise AssertionError("the day does not come to rest")

    def carry_out(self, compaction: Compaction) -> None:
        self.steps += 1
        total = sum(one.line_bytes for one in compaction.inputs)
        self.written_bytes += total
        outputs = []
        for number, span in enumerate(compaction.spans):
            self.numbers += 1
            size = total // len(compaction.spans) + (total % len(compaction.spans) if number == 0 else 0)
            name = f"s{self.numbers}"
            outputs.append(
                SegmentMeta(
                    name, f"t/{name}", span.start_ns, span.end_ns - 1, size, size, size, 1, 1, compaction.zstd_level
                )
            )
        replaced = Replaced(compaction.inputs, tuple(outputs), 0)
        self.manifest = with_replaced(self.manifest, replaced)


@settings(max_examples=60)
@given(
    flushes=st.lists(
        st.tuples(sizes_mib, st.floats(0, 23), st.floats(0, 3), st.sampled_from([0, 1, 6])), min_size=1, max_size=150
    ),
    compact_every=st.integers(1, 20),
    late=st.lists(st.floats(0.001, 20), max_size=30),
)
def test_a_day_comes_to_rest_with_all_its_bytes_written_a_few_times(
    flushes: list[tuple[float, float, float, int]], compact_every: int, late: list[float]
) -> None:
    day = Simulation(POLICY)
    for number, (mib, from_h, length_h, zstd_level) in enumerate(flushes):
        day.flush(mib, from_h, min(23.9, from_h + length_h), zstd_level)
        if number % compact_every == 0:
            day.compact(OPEN_NS)
    for now_ns in (SETTLED_NS, COLD_NS):
        day.compact(now_ns)
        for mib in late:
            day.flush(mib, 0, 20)
            day.compact(now_ns)
    live = day.manifest.segments
    assert sum(one.line_bytes for one in live) == day.flushed_bytes
    assert {one.zstd_level for one in live} == {POLICY.cold_zstd_level}
    # Each merge makes what a row lies in larger by a third at least, until that is large; then once for good.
    smallest = min([mib for mib, _, _, _ in flushes] + late)
    rounds = math.log(max(2.0, 1024 / smallest), 4 / 3)
    assert day.written_bytes <= day.flushed_bytes * (rounds + 2)


@pytest.mark.parametrize(
    ("flushes", "mib", "most"),
    [(400, 256.0, 1.3), (96, 20.0, 2.1), (48, 0.5, 2.6), (2000, 2.0, 3.4)],
    ids=["100 GB a day", "a flush every quarter of an hour", "a quiet tenant", "many small flushes"],
)
def test_usual_days_are_written_few_times(flushes: int, mib: float, most: float) -> None:
    day = Simulation(replace(POLICY, cold_zstd_level=0))
    for number in range(flushes):
        hour = 23 * number / flushes
        day.flush(mib, hour, hour + 0.5)
        day.compact(OPEN_NS)
    day.compact(SETTLED_NS)
    assert day.written_bytes <= most * day.flushed_bytes
    assert len(day.manifest.segments) <= 5 + day.flushed_bytes / (POLICY.target_bytes / 2)


def test_flushes_for_good_are_merged_once() -> None:
    day = Simulation(POLICY)
    for number in range(4):
        day.flush(256.0, number, number + 0.9, POLICY.cold_zstd_level)
        day.compact(OPEN_NS)
    for now_ns in (SETTLED_NS, COLD_NS):
        day.compact(now_ns)
    (merged,) = day.manifest.segments
    assert (merged.line_bytes, merged.zstd_level, day.steps) == (1024 * MIB, POLICY.cold_zstd_level, 1)
    # What never met enough others is left as it is, too.
    day.flush(256.0, 5, 6, POLICY.cold_zstd_level)
    day.compact(COLD_NS)
    assert day.steps == 1


def test_an_open_day_holds_few_small_segments() -> None:
    day = Simulation(POLICY)
    for number in range(500):
        day.flush(1.0, number / 30, number / 30 + 0.1)
        day.compact(OPEN_NS)
        assert len(day.manifest.segments) <= OPEN_DAY_INPUTS_MIN * 4
