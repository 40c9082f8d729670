"""What tails that ask for the same share: one scan of the fresh rows, and messages that are written once.

Tails with a delay share nothing: each holds back what came since it was opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lodur.kernels.head import HeadView
from lodur.kernels.scan import Cancel, LogResult, Scan
from lodur.kernels.scan_plan import Logs, encode
from lodur.model.durations import NS_PER_S
from lodur.model.limits import MIB
from lodur.model.time_span import TimeSpan
from lodur.query.plan.lowering import log_scan_plan
from lodur.query.plan.nodes import LogScan
from lodur.query.tail.fresh_rows import Batch
from lodur.query.tail.messages import FoundRows
from lodur.query.tail.requests import TailForm
from lodur.query.tail.tail import Tail

ENTRIES_AT_ONCE_MAX = (1 << 31) - 1
"""Entries of one scan: all, so that those which find no room are counted."""

RESULT_MAX_BYTES = 256 * MIB
"""What one scan may hold: several times the bytes of all fresh rows that are held."""

EVER = TimeSpan(-(1 << 62), 1 << 62)


@dataclass(frozen=True, slots=True)
class FeedKey:
    """Tails of equal keys see the same."""

    plan: LogScan
    form: TailForm
    delay_ns: int
    alone: int = 0
    """Not 0, and another one each time, for tails that share nothing."""


@dataclass(slots=True)
class _Held:
    """Rows that a feed with a delay has not passed on as a whole."""

    view: HeadView
    arrived_s: float
    is_new: bool = True


@dataclass(slots=True)
class _Ripe:
    """What is to be passed on: views, each with the span of its rows that are due."""

    spans: dict[TimeSpan, list[HeadView]] = field(default_factory=dict)

    def add(self, view: HeadView, start_ns: int, end_ns: int) -> None:
        if start_ns < end_ns:
            self.spans.setdefault(TimeSpan(start_ns, end_ns), []).append(view)


class Feed:
    """A query and its tails, which belong to the event loop; all else is called on one thread at a time."""

    def __init__(self, key: FeedKey) -> None:
        """Raises InvalidRequest for patterns that do not compile."""
        self.key = key
        self.tails: list[Tail] = []
        self._scan = self._compiled(EVER)
        self._held: list[_Held] = []
        self._horizon_ns = EVER.start_ns

    def holds_rows(self) -> bool:
        """Whether there is something to pass on without anything new."""
        return bool(self._held)

    def pass_on(self, batches: Sequence[Batch], tails: Sequence[Tail], *, now_ns: int, now_s: float) -> None:
        """Offer to each of the tails what it is to see. Blocks; raises what scans raise."""
        if self.key.delay_ns == 0:
            for views, audience in audiences(batches, tails):
                self._offer({EVER: views}, audience)
            return
        for views, _ in audiences(batches, tails):
            self._held += [_Held(view, now_s) for view in views]
        self._offer(self._ripe(now_ns, now_s).spans, tails)

    def _ripe(self, now_ns: int, now_s: float) -> _Ripe:
        """Rows whose time lies far enough back, and those that came long enough ago."""
        delay_ns = self.key.delay_ns
        horizon_ns = max(self._horizon_ns, now_ns - delay_ns)
        ripe = _Ripe()
        held: list[_Held] = []
        for one in self._held:
            is_due = (now_s - one.arrived_s) * NS_PER_S >= delay_ns
            start_ns = EVER.start_ns if one.is_new else self._horizon_ns
            ripe.add(one.view, start_ns, EVER.end_ns if is_due else horizon_ns)
            one.is_new = False
            if not is_due:
                held.append(one)
        self._held, self._horizon_ns = held, horizon_ns
        return ripe

    def _offer(self, due: dict[TimeSpan, list[HeadView]], tails: Sequence[Tail]) -> None:
        results = [self._entries(span, views) for span, views in due.items()]
        found = FoundRows(results, self.key.form)
        if found.entries:
            for tail in tails:
                tail.offer(found)

    def _entries(self, span: TimeSpan, views: list[HeadView]) -> LogResult:
        scan = self._scan if span == EVER else self._compiled(span)
        return scan.run_logs(list(views), cancel=Cancel(), threads=1, bytes_max=RESULT_MAX_BYTES)

    def _compiled(self, span: TimeSpan) -> Scan:
        task = Logs(span.start_ns, span.end_ns, ENTRIES_AT_ONCE_MAX, backward=False)
        return Scan.compile(encode(log_scan_plan(self.key.plan, task)))


def audiences(batches: Sequence[Batch], tails: Sequence[Tail]) -> list[tuple[list[HeadView], list[Tail]]]:
    """The views of the batches, each time with the tails that are to see all of them: the later ones only, mostly."""
    by_count: dict[int, list[Tail]] = {}
    for tail in tails:
        mine = sum(batch.number >= tail.first_batch for batch in batches)
        by_count.setdefault(mine, []).append(tail)
    return [([batch.view for batch in batches[-count:]], group) for count, group in by_count.items() if count]
