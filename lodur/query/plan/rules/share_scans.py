"""Read once what several operands count: a rate is a count over seconds, and a total is the sum of its parts.

`sum(rate(x[5m])) / sum(count_over_time(x[5m]))` reads `x` once, and so does
`sum by (status) (rate(x[5m])) / ignoring (status) group_left sum(rate(x[5m]))`. Counts and bytes are whole numbers, so
that sums of them, and their quotients by the window, are the same to the last digit however they come about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeAlias

from lodur.kernels.scan_plan import RangeOp
from lodur.logql.tree import LogRange
from lodur.model.durations import NS_PER_S
from lodur.query.evaluate.aggregate import AggregateOp
from lodur.query.evaluate.arithmetic import ArithmeticOp
from lodur.query.evaluate.grouping import Grouping
from lodur.query.plan.nodes import Aggregate, MetricPlan, Plan, RangeScan, WithNumber, rewrite, walk

_TOTALS = {
    RangeOp.COUNT: RangeOp.COUNT,
    RangeOp.RATE: RangeOp.COUNT,
    RangeOp.BYTES: RangeOp.BYTES,
    RangeOp.BYTES_RATE: RangeOp.BYTES,
}
"""Operations that give whole numbers, or such divided by the window."""

_RATES = frozenset({RangeOp.RATE, RangeOp.BYTES_RATE})

_ERROR_PREFIX = "__error"
"""A scan that groups by errors meets none, others do: the two are not the same reading."""

_Reading: TypeAlias = tuple[RangeOp, LogRange]
"""What is counted, and of which rows."""


def share_scans(plan: Plan) -> Plan:
    """Express scans by others of the plan that read the same rows, where that makes them fewer."""
    readings: defaultdict[_Reading, set[RangeScan]] = defaultdict(set)
    for node in walk(plan):
        if isinstance(node, RangeScan) and _is_whole(node):
            readings[_TOTALS[node.op], node.source].add(node)
    if all(len(scans) == 1 for scans in readings.values()):
        return plan
    made: dict[RangeScan, MetricPlan] = {}
    for (total, _), scans in readings.items():
        bases = {_base(scan, scans, total) for scan in scans}
        if len(bases) < len(scans):
            made |= {scan: _expressed(scan, _base(scan, scans, total)) for scan in scans}
    return rewrite(plan, lambda node: made.get(node, node) if isinstance(node, RangeScan) else node)


def _is_whole(scan: RangeScan) -> bool:
    return (
        scan.op in _TOTALS
        and scan.source.unwrap is None
        and scan.source.range_ns > 0
        and not any(name.startswith(_ERROR_PREFIX) for name in scan.grouping.names)
    )


def _base(scan: RangeScan, scans: Iterable[RangeScan], total: RangeOp) -> RangeScan:
    """The scan from which this one is computed: of the finest grouping that it is a sum of."""
    finest = max((one for one in scans if _is_sum_of(scan, one)), key=_fineness)
    return replace(finest, op=total)


def _is_sum_of(scan: RangeScan, other: RangeScan) -> bool:
    if scan.grouping == other.grouping:
        return True
    return scan.grouping.mode == other.grouping.mode == "by" and set(scan.grouping.names) < set(other.grouping.names)


def _fineness(scan: RangeScan) -> tuple[int, tuple[str, ...], str]:
    return len(scan.grouping.names), scan.grouping.names, scan.op.value


def _expressed(scan: RangeScan, base: RangeScan) -> MetricPlan:
    plan: MetricPlan = base
    if scan.grouping != base.grouping:
        plan = Aggregate(AggregateOp.SUM, Grouping(frozenset(scan.grouping.names)), plan)
    if scan.op in _RATES:
        plan = WithNumber(ArithmeticOp.DIVIDE, scan.source.range_ns / NS_PER_S, False, False, plan)
    return plan
