"""Let the scan find the extreme: the minimum over minima, and the maximum over maxima, of the windows of a group."""

from __future__ import annotations

from dataclasses import replace

from lodur.kernels.scan_plan import RangeOp
from lodur.query.evaluate.aggregate import AggregateOp
from lodur.query.plan.nodes import ALL_LABELS, Aggregate, MetricPlan, Plan, RangeScan, rewrite
from lodur.query.plan.rules.push_sum import scan_grouping

_SAME = {AggregateOp.MIN: RangeOp.MIN, AggregateOp.MAX: RangeOp.MAX}


def push_extreme(plan: Plan) -> Plan:
    """Replace `min(min_over_time(...))` and `max(max_over_time(...))` by the scan with the outer grouping."""
    return rewrite(plan, _pushed)


def _pushed(plan: MetricPlan) -> MetricPlan:
    match plan:
        case Aggregate(op=op, grouping=grouping, operand=RangeScan() as scan) if (
            scan.op is _SAME.get(op) and scan.grouping == ALL_LABELS
        ):
            return replace(scan, grouping=scan_grouping(grouping))
        case _:
            return plan
