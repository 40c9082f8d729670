"""What has expired: pure functions from periods and segments to decisions, and to the rules that kernels follow.

An entry has expired when it is older than the period of its stream. The tenant's periods of streams decide by priority,
its own period where none of them matches. Start at `plan_retention`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lodur.kernels.compact import KeepRules
from lodur.kernels.plan import MatchOp as PlanOp
from lodur.kernels.scan_plan import StreamMatcher, encode_matchers
from lodur.model.durations import NS_PER_HOUR
from lodur.model.matcher import MatchOp
from lodur.store.compaction.options import RetentionPeriods, by_precedence
from lodur.store.days import NS_PER_DAY
from lodur.store.manifest import SegmentMeta

NEVER_NS = -(2**63)
"""No timestamp is older."""

EXPIRED_RATIO = 0.25
"""Part of a segment's rows that must have expired with their streams to rewrite it in the midst of a day's expiry: each
rewriting then leaves a quarter less."""

_OPS = {
    MatchOp.EQUAL: PlanOp.EQUAL,
    MatchOp.NOT_EQUAL: PlanOp.NOT_EQUAL,
    MatchOp.MATCHES: PlanOp.REGEX,
    MatchOp.NOT_MATCHES: PlanOp.NOT_REGEX,
}

ASK_AGAIN_NS = NS_PER_HOUR
"""How long a segment's directory is believed to show no expiry worth a rewriting: it may have to be fetched."""

ANSWERS_MAX = 100_000
"""Remembered, at some hundred bytes each; beyond it all are forgotten and asked for anew."""


class AskedSegments:
    """What the directories of segments said of their expired streams. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[int, bool]] = {}

    def answer(self, path: str, now_ns: int, ask: Callable[[], bool]) -> bool:
        """The answer for a segment, not older than `ASK_AGAIN_NS`."""
        hour = now_ns // ASK_AGAIN_NS
        with self._lock:
            known = self._answers.get(path)
        if known is not None and known[0] == hour:
            return known[1]
        found = ask()
        with self._lock:
            if len(self._answers) >= ANSWERS_MAX:
                self._answers.clear()
            self._answers[path] = (hour, found)
        return found


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What is to be done about the expired rows of a day."""

    dropped: tuple[SegmentMeta, ...]
    """Nothing in them is kept, whatever their streams."""
    suspects: tuple[SegmentMeta, ...]
    """Streams of them may have expired, which their directories say."""


def plan_retention(live: Sequence[SegmentMeta], periods: RetentionPeriods, now_ns: int) -> RetentionPlan:
    """Divide segments by what their times say alone."""
    all_ns = [periods.period_ns, *(stream.period_ns for stream in periods.streams)]
    ends = [now_ns - period_ns for period_ns in all_ns if period_ns]
    if not ends:
        return RetentionPlan((), ())
    all_gone_ns = min(ends) if all(all_ns) else NEVER_NS
    dropped = tuple(segment for segment in live if segment.max_ts_ns < all_gone_ns)
    suspects = tuple(segment for segment in live if segment.max_ts_ns >= all_gone_ns and segment.min_ts_ns < max(ends))
    return RetentionPlan(dropped, suspects)


def keep_rules(periods: RetentionPeriods, now_ns: int, *, whole_days: bool = False) -> KeepRules:
    """The rules at a time; with `whole_days` rows stay until all of their day have expired."""

    def kept_from_ns(period_ns: int) -> int:
        if not period_ns:
            return NEVER_NS
        from_ns = now_ns - period_ns
        return from_ns // NS_PER_DAY * NS_PER_DAY if whole_days else from_ns

    rules = [
        (
            encode_matchers(
                tuple(
                    StreamMatcher(name=matcher.name, op=_OPS[matcher.op], value=matcher.value)
                    for matcher in stream.matchers
                )
            ),
            kept_from_ns(stream.period_ns),
        )
        for stream in by_precedence(periods.streams)
    ]
    return KeepRules(rules, default_from_ns=kept_from_ns(periods.period_ns))


def is_worth_rewriting(expired_rows: int, expired_day_rows: int, rows: int) -> bool:
    """Whether to rewrite a segment without its expired streams: when a period has passed for the whole day, and in
    between when that is much of it. `expired_day_rows` are those by `whole_days` rules."""
    return bool(expired_day_rows) or (expired_rows >= rows * EXPIRED_RATIO and bool(expired_rows))
