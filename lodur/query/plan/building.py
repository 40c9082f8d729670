"""From a checked syntax tree to the plan that says the same, node by node."""

from __future__ import annotations

from typing import assert_never

from lodur.kernels.scan_plan import Grouping as ScanGrouping
from lodur.kernels.scan_plan import RangeOp as ScanOp
from lodur.logql.operators import BinaryOp, GroupSide, RangeOp, VectorOp
from lodur.logql.selector import Selector
from lodur.logql.tree import (
    BinaryOperation,
    LabelReplace,
    Literal,
    LogQuery,
    MetricQuery,
    Query,
    RangeAggregation,
    Variants,
    VectorAggregation,
    VectorLiteral,
    VectorMatching,
)
from lodur.logql.tree import Grouping as WrittenGrouping
from lodur.model.errors import InvalidRequest
from lodur.model.label_set import LabelSet
from lodur.model.matcher import MatchOp
from lodur.query.evaluate.aggregate import AggregateOp
from lodur.query.evaluate.arithmetic import ArithmeticOp, ComparisonOp, NumberOp
from lodur.query.evaluate.grouping import Grouping
from lodur.query.evaluate.matching import ManySide, Matching
from lodur.query.evaluate.set_operations import SetOp
from lodur.query.plan.nodes import (
    ALL_LABELS,
    Absent,
    Aggregate,
    Constant,
    Extremes,
    Join,
    LogScan,
    MetricPlan,
    Number,
    Plan,
    RangeScan,
    ReplaceLabel,
    SetOperation,
    Sort,
    WithNumber,
)
from lodur.query.plan.variants import together, variant_queries

_NO_LABELS = ScanGrouping(mode="by")

_SCAN_OPS = {
    RangeOp.COUNT_OVER_TIME: ScanOp.COUNT,
    RangeOp.RATE: ScanOp.RATE,
    RangeOp.RATE_COUNTER: ScanOp.RATE_COUNTER,
    RangeOp.BYTES_OVER_TIME: ScanOp.BYTES,
    RangeOp.BYTES_RATE: ScanOp.BYTES_RATE,
    RangeOp.AVG_OVER_TIME: ScanOp.AVG,
    RangeOp.SUM_OVER_TIME: ScanOp.SUM,
    RangeOp.MIN_OVER_TIME: ScanOp.MIN,
    RangeOp.MAX_OVER_TIME: ScanOp.MAX,
    RangeOp.STDVAR_OVER_TIME: ScanOp.STDVAR,
    RangeOp.STDDEV_OVER_TIME: ScanOp.STDDEV,
    RangeOp.QUANTILE_OVER_TIME: ScanOp.QUANTILE,
    RangeOp.FIRST_OVER_TIME: ScanOp.FIRST,
    RangeOp.LAST_OVER_TIME: ScanOp.LAST,
}

_LARGEST = frozenset({VectorOp.TOPK, VectorOp.APPROX_TOPK})


def build_plan(query: Query) -> Plan:
    """The plan of a query as written, before any rewrite. InvalidRequest for what cannot be executed yet."""
    if isinstance(query, LogQuery):
        return LogScan(query)
    if isinstance(query, Variants):
        return together([_metric(variant) for variant in variant_queries(query)])
    return _metric(query)


def _metric(query: MetricQuery) -> MetricPlan:
    match query:
        case RangeAggregation():
            return _range_aggregation(query)
        case VectorAggregation():
            return _vector_aggregation(query)
        case BinaryOperation():
            return _binary_operation(query)
        case Literal():
            return Number(query.value)
        case VectorLiteral():
            return Constant(query.value)
        case LabelReplace():
            operand = _metric(query.operand)
            return ReplaceLabel(query.target, query.replacement, query.source, query.regexp, operand)
        case _:
            assert_never(query)


def _range_aggregation(query: RangeAggregation) -> MetricPlan:
    if query.op is RangeOp.ABSENT_OVER_TIME:
        op = ScanOp.COUNT if query.log_range.unwrap is None else ScanOp.LAST
        presence = RangeScan(op, query.log_range, _NO_LABELS)
        return Absent(_labels_named_once(query.log_range.selector), presence)
    return RangeScan(_SCAN_OPS[query.op], query.log_range, _scan_grouping(query.grouping), query.parameter)


def _scan_grouping(grouping: WrittenGrouping | None) -> ScanGrouping:
    if grouping is None:
        return ALL_LABELS
    return ScanGrouping(mode="without" if grouping.without else "by", names=tuple(sorted(set(grouping.labels))))


def _labels_named_once(selector: Selector) -> LabelSet:
    """The labels that equality fixes, of those that only one matcher names."""
    names = [matcher.name for matcher in selector.matchers]
    return LabelSet.of(
        (matcher.name, matcher.value)
        for matcher in selector.matchers
        if matcher.op is MatchOp.EQUAL and names.count(matcher.name) == 1
    )


def _vector_aggregation(query: VectorAggregation) -> MetricPlan:
    operand = _metric(query.operand)
    if isinstance(operand, Number):
        raise InvalidRequest(f"{query.op.value} aggregates series, not a number")
    grouping = _grouping(query.grouping)
    match query.op:
        case VectorOp.SORT | VectorOp.SORT_DESC:
            return Sort(query.op is VectorOp.SORT_DESC, operand)
        case VectorOp.TOPK | VectorOp.BOTTOMK | VectorOp.APPROX_TOPK:
            return Extremes(query.parameter or 0, query.op in _LARGEST, grouping, operand)
        case _:
            return Aggregate(AggregateOp(query.op.value), grouping, operand)


def _grouping(grouping: WrittenGrouping | None) -> Grouping:
    return Grouping() if grouping is None else Grouping(frozenset(grouping.labels), grouping.without)


def _binary_operation(query: BinaryOperation) -> MetricPlan:
    left, right = _metric(query.left), _metric(query.right)
    matching = _matching(query.matching)
    if query.op.is_set:
        return SetOperation(SetOp(query.op.value), matching.grouping, left, right)
    op = _number_op(query.op)
    if isinstance(left, Number):
        return WithNumber(op, left.value, True, query.returns_bool, right)
    if isinstance(right, Number):
        return WithNumber(op, right.value, False, query.returns_bool, left)
    return Join(op, matching, query.returns_bool, left, right)


def _number_op(op: BinaryOp) -> NumberOp:
    return ComparisonOp(op.value) if op.is_comparison else ArithmeticOp(op.value)


def _matching(written: VectorMatching | None) -> Matching:
    if written is None:
        return Matching()
    sides = {None: None, GroupSide.LEFT: ManySide.LEFT, GroupSide.RIGHT: ManySide.RIGHT}
    return Matching(written.on, frozenset(written.labels), sides[written.group], written.include)
