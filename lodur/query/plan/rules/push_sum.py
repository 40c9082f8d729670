"""Let the scan sum: `sum by (level) (rate(...))` needs no series but those of its groups.

The scan then extracts only the labels of the grouping, and counts whole blocks where it needs none.
"""

from __future__ import annotations

from dataclasses import replace

from lodur.kernels.scan_plan import Grouping as ScanGrouping
from lodur.kernels.scan_plan import RangeOp
from lodur.query.evaluate.aggregate import AggregateOp
from lodur.query.evaluate.grouping import Grouping
from lodur.query.plan.nodes import ALL_LABELS, Aggregate, MetricPlan, Plan, RangeScan, rewrite

_ADDITIVE = frozenset({RangeOp.COUNT, RangeOp.RATE, RangeOp.BYTES, RangeOp.BYTES_RATE, RangeOp.SUM})
"""Operations whose value over two series together is the sum of their values."""


def push_sum(plan: Plan) -> Plan:
    """Replace a sum over an additive scan by the scan with the sum's grouping."""
    return rewrite(plan, _pushed)


def push_partial_sum(plan: Plan) -> Plan:
    """Give an additive scan the grouping of the sum above it, which stays: it adds up the scans of several tenants."""
    return rewrite(plan, _pushed_below)


def scan_grouping(grouping: Grouping) -> ScanGrouping:
    """The grouping as scans are told."""
    return ScanGrouping(mode="without" if grouping.without else "by", names=tuple(sorted(grouping.names)))


def _pushed(plan: MetricPlan) -> MetricPlan:
    pushed = _pushed_below(plan)
    return pushed.operand if isinstance(pushed, Aggregate) and pushed is not plan else plan


def _pushed_below(plan: MetricPlan) -> MetricPlan:
    match plan:
        case Aggregate(op=AggregateOp.SUM, grouping=grouping, operand=RangeScan() as scan) if (
            scan.op in _ADDITIVE and scan.grouping == ALL_LABELS
        ):
            return replace(plan, operand=replace(scan, grouping=scan_grouping(grouping)))
        case _:
            return plan
