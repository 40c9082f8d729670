"""Which segments of a day to merge now: a pure function from what the manifest says of them to decisions.

Segments are taken in the order of their commits, which is about that of time. Three rules, one after the other:

1. Small neighbours become one when together they make a large one, when they are many, or when their day is settled. A
   merge at least multiplies the size of its largest input by `GROWTH` (more in an open day), so that no row is written
   more often than a logarithm of the target says.
2. Rows are compressed for good once: by a flush of many rows (`lodur.store.flush_level`), by the merge that makes a
   large segment or ends a day, or else when they have grown cold; where a merge of neighbours is larger than the
   target it is cut by time, so that late rows end beside those of their hour. No merge makes fast again what is for
   good, but as the lesser part of its inputs.
3. Nothing else: the same facts give the same answer, and a day to which nothing is added comes to rest.

Start at `plan_compactions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from lodur.model.time_span import TimeSpan
from lodur.store.compaction.options import CompactionPolicy
from lodur.store.days import day_span
from lodur.store.manifest import SegmentMeta

INPUTS_MAX = 32
"""Segments of one merge: of each a block is in memory, some MB with its metadata."""

OPEN_DAY_INPUTS_MIN = 8
"""Small segments of a day that still gets rows are merged when there are so many: fewer cost queries little."""

FULL_RATIO = 0.5
"""Part of the target from which a segment is large enough to stay what it is."""

GROWTH = 4 / 3
"""By which a merge multiplies the size of its largest input at least."""

OPEN_DAY_GROWTH = 4
"""The same for a day that still gets rows: of which more come to make it worthwhile."""

OUTPUTS_MAX = 4
"""Segments into which one merge is cut by time: each reads all blocks that overlap its part."""


class CompactionReason(StrEnum):
    """Why segments are rewritten; a label of the metrics."""

    FULL = "full"
    MANY = "many"
    SETTLED = "settled"
    COLD = "cold"
    EXPIRED = "expired"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Compaction:
    """Segments to replace by one new segment for each span; the spans follow each other and hold all their rows.

    Without spans the segments are dropped, and nobody reads them.
    """

    inputs: tuple[SegmentMeta, ...]
    spans: tuple[TimeSpan, ...]
    zstd_level: int
    reason: CompactionReason


def plan_compactions(
    day: int, live: Sequence[SegmentMeta], policy: CompactionPolicy, now_ns: int, *, busy: frozenset[str] = frozenset()
) -> list[Compaction]:
    """Choose what to rewrite of a day, in the order of its commits; no segment is in two of the answers.

    `live` are the manifest's segments, `busy` the paths of those that must be left alone.
    """
    is_cold = _is_cold(day, policy, now_ns)
    level = policy.cold_zstd_level or policy.zstd_level
    is_settled = now_ns >= day_span(day).end_ns + policy.settled_after_ns
    full_bytes = policy.target_bytes * FULL_RATIO
    planned = [
        _compaction(group, level if is_cold else _level(group, policy, reason), policy, reason)
        for run in _runs(live, lambda segment: segment.line_bytes < full_bytes and segment.path not in busy)
        for group, reason in _groups(run, policy, is_settled=is_settled)
    ]
    if is_cold:
        taken = busy | {segment.path for compaction in planned for segment in compaction.inputs}
        planned += [
            _compaction(group, level, policy, CompactionReason.COLD)
            for run in _runs(live, lambda segment: segment.path not in taken and segment.zstd_level < level)
            for group in _cold_groups(run, policy)
        ]
    return planned


def rewriting(
    day: int, segment: SegmentMeta, policy: CompactionPolicy, now_ns: int, reason: CompactionReason
) -> Compaction:
    """Write a segment anew without what has expired of it, or what was deleted."""
    is_for_good = _is_cold(day, policy, now_ns) or _is_for_good(segment, policy)
    level = policy.cold_zstd_level if is_for_good else policy.zstd_level
    return _compaction([segment], level, policy, reason)


def _is_for_good(segment: SegmentMeta, policy: CompactionPolicy) -> bool:
    return segment.zstd_level >= policy.cold_zstd_level > 0


def _level(group: Sequence[SegmentMeta], policy: CompactionPolicy, reason: CompactionReason) -> int:
    """The zstd level of a merge of neighbours.

    What makes a large segment or ends a day is for good. What comes of another merge is merged again, so fast will
    do; but what is for good already stays so: its blocks can be copied, this time and the next, and with any other
    level all of them would be compressed twice more. A mixed group takes the level of most of its bytes. When it is
    fast, the part that was for good is compressed for good once more later; when it is for good, so is the other part:
    it is the smaller one that is done once too often. What is for good is not left out of mixed groups: where both
    alternate, an open day would have as many segments as flushes.
    """
    level = policy.cold_zstd_level or policy.zstd_level
    if reason is not CompactionReason.MANY:
        return level
    good_bytes = sum(segment.line_bytes for segment in group if _is_for_good(segment, policy))
    return level if 2 * good_bytes > sum(segment.line_bytes for segment in group) else policy.zstd_level


def _is_cold(day: int, policy: CompactionPolicy, now_ns: int) -> bool:
    return bool(policy.cold_zstd_level) and now_ns >= day_span(day).end_ns + policy.cold_after_ns


def _runs(live: Sequence[SegmentMeta], wants: Callable[[SegmentMeta], bool]) -> Iterator[list[SegmentMeta]]:
    """Wanted segments that may be merged without changing the order of entries with equal timestamps.

    A segment that is passed over ends a run where it overlaps one of the run.
    """
    run: list[SegmentMeta] = []
    for segment in live:
        if wants(segment):
            run.append(segment)
        elif any(_overlap(segment, other) for other in run):
            yield run
            run = []
    yield run


def _overlap(one: SegmentMeta, other: SegmentMeta) -> bool:
    return one.min_ts_ns <= other.max_ts_ns and other.min_ts_ns <= one.max_ts_ns


def _groups(
    run: Sequence[SegmentMeta], policy: CompactionPolicy, *, is_settled: bool
) -> Iterator[tuple[list[SegmentMeta], CompactionReason]]:
    """Neighbours of a run of small segments that are worth a merge."""
    start = 0
    while start < len(run):
        group = _enough(run[start:], policy.target_bytes)
        reason = CompactionReason.FULL
        if group is None:
            if is_settled:
                reason, group = CompactionReason.SETTLED, _many(run[start:], least=2, growth=GROWTH)
            else:
                reason = CompactionReason.MANY
                group = _many(run[start:], least=OPEN_DAY_INPUTS_MIN, growth=OPEN_DAY_GROWTH)
        if group is None:
            start += 1
            continue
        yield group, reason
        start += len(group)


def _enough(run: Sequence[SegmentMeta], target_bytes: int) -> list[SegmentMeta] | None:
    """The first segments of a run that together make a large one, as long as none outweighs the others."""
    total = 0
    for count, segment in enumerate(run[:INPUTS_MAX], 1):
        total += segment.line_bytes
        if total >= target_bytes:
            return list(run[:count])
    return None


def _many(run: Sequence[SegmentMeta], *, least: int, growth: float) -> list[SegmentMeta] | None:
    """The longest group from the first of a run on that is large enough and grows enough."""
    for count in range(min(len(run), INPUTS_MAX), least - 1, -1):
        group = run[:count]
        largest = max(segment.line_bytes for segment in group)
        if sum(segment.line_bytes for segment in group) >= growth * largest:
            return list(group)
    return None


def _cold_groups(run: Sequence[SegmentMeta], policy: CompactionPolicy) -> Iterator[list[SegmentMeta]]:
    """Neighbours that overlap in time, as far as one merge may go; each other segment by itself."""
    group: list[SegmentMeta] = []
    for segment in run:
        total = sum(other.line_bytes for other in group) + segment.line_bytes
        fits = len(group) < INPUTS_MAX and total <= OUTPUTS_MAX * policy.target_bytes
        if group and not (fits and any(_overlap(segment, other) for other in group)):
            yield group
            group = []
        group.append(segment)
    if group:
        yield group


def _compaction(
    group: Sequence[SegmentMeta], level: int, policy: CompactionPolicy, reason: CompactionReason
) -> Compaction:
    total = sum(segment.line_bytes for segment in group)
    outputs = max(1, min(OUTPUTS_MAX, round(total / policy.target_bytes)))
    return Compaction(tuple(group), time_parts(group, outputs), level, reason)


def time_parts(group: Sequence[SegmentMeta], parts: int) -> tuple[TimeSpan, ...]:
    """Cut the time of some segments so that the parts have about the same bytes, taking each for evenly filled."""
    start_ns = min(segment.min_ts_ns for segment in group)
    end_ns = max(segment.max_ts_ns for segment in group) + 1
    total = sum(segment.line_bytes for segment in group)
    edges = sorted({start_ns, end_ns, *(_edge(group, total * part // parts) for part in range(1, parts))})
    return tuple(TimeSpan(since_ns, until_ns) for since_ns, until_ns in pairwise(edges))


def _edge(group: Sequence[SegmentMeta], wanted_bytes: int) -> int:
    """The first time before which there are about so many bytes."""
    low_ns = min(segment.min_ts_ns for segment in group)
    high_ns = max(segment.max_ts_ns for segment in group) + 1
    while low_ns < high_ns:
        middle_ns = (low_ns + high_ns) // 2
        if sum(_bytes_before(segment, middle_ns) for segment in group) < wanted_bytes:
            low_ns = middle_ns + 1
        else:
            high_ns = middle_ns
    return low_ns


def _bytes_before(segment: SegmentMeta, ts_ns: int) -> int:
    length_ns = segment.max_ts_ns + 1 - segment.min_ts_ns
    return segment.line_bytes * min(max(ts_ns - segment.min_ts_ns, 0), length_ns) // length_ns
