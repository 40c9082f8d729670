"""What has expired, told from the times of segments alone."""

from __future__ import annotations

import pytest

from lodur.model.durations import NS_PER_HOUR
from lodur.store.compaction.options import KEEP_ALL, RetentionPeriods, StreamRetention, by_precedence
from lodur.store.compaction.retention import AskedSegments, is_worth_rewriting, plan_retention
from lodur.store.days import NS_PER_DAY
from lodur.store.manifest import SegmentMeta

NOW_NS = 20_000 * NS_PER_DAY


def segment(name: str, from_days: float, to_days: float) -> SegmentMeta:
    """With rows that are so many days old."""
    min_ts_ns, max_ts_ns = NOW_NS - int(from_days * NS_PER_DAY), NOW_NS - int(to_days * NS_PER_DAY)
    return SegmentMeta(name, name, min_ts_ns, max_ts_ns, 1, 1, 1, 1, 0)


def stream(days: float, priority: int = 1) -> StreamRetention:
    return StreamRetention((), priority, int(days * NS_PER_DAY))


LIVE = [segment("old", 9, 8.1), segment("edge", 8, 7.2), segment("young", 2, 1.5), segment("new", 0.5, 0)]


@pytest.mark.parametrize(
    ("periods", "dropped", "suspects"),
    [
        (KEEP_ALL, [], []),
        (RetentionPeriods(8 * NS_PER_DAY), ["old"], []),
        (RetentionPeriods(int(7.5 * NS_PER_DAY)), ["old"], ["edge"]),
        (RetentionPeriods(NS_PER_DAY), ["old", "edge", "young"], []),
        (RetentionPeriods(0, (stream(1),)), [], ["old", "edge", "young"]),
        (RetentionPeriods(8 * NS_PER_DAY, (stream(1),)), ["old"], ["edge", "young"]),
        (RetentionPeriods(NS_PER_DAY, (stream(8),)), ["old"], ["edge", "young"]),
        (RetentionPeriods(NS_PER_DAY, (stream(0),)), [], ["old", "edge", "young"]),
    ],
)
def test_whole_segments_go_and_others_are_suspect(
    periods: RetentionPeriods, dropped: list[str], suspects: list[str]
) -> None:
    plan = plan_retention(LIVE, periods, NOW_NS)
    assert [one.id for one in plan.dropped] == dropped
    assert [one.id for one in plan.suspects] == suspects


def test_the_highest_priority_is_asked_first() -> None:
    low, high, other = stream(1, 1), stream(2, 5), stream(3, 1)
    assert by_precedence([low, high, other]) == [high, low, other]


@pytest.mark.parametrize(
    ("expired", "expired_by_day", "rows", "is_worth"),
    [(0, 0, 100, False), (24, 0, 100, False), (25, 0, 100, True), (1, 1, 100, True), (0, 0, 0, False)],
)
def test_rewriting_pays_when_much_has_gone_or_all_of_a_period(
    expired: int, expired_by_day: int, rows: int, *, is_worth: bool
) -> None:
    assert is_worth_rewriting(expired, expired_by_day, rows) == is_worth


def test_directories_are_asked_once_an_hour() -> None:
    asked = AskedSegments()
    answers = [False, True]
    assert not asked.answer("s", NOW_NS, lambda: answers.pop(0))
    assert not asked.answer("s", NOW_NS + NS_PER_HOUR - 1, lambda: answers.pop(0))
    assert asked.answer("s", NOW_NS + NS_PER_HOUR, lambda: answers.pop(0))
    assert asked.answer("s", NOW_NS + NS_PER_HOUR + 1, lambda: answers.pop(0))
