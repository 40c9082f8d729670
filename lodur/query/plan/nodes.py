"""The nodes of a plan. Leaves are scans of the store and constants; all else works on their series.

Every node is a value: equal scans are run once, and a rule that changes nothing gives an equal plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from lodur.kernels.scan_plan import FromLine, RangeOp
from lodur.kernels.scan_plan import Grouping as ScanGrouping
from lodur.logql.tree import LogQuery, LogRange
from lodur.model.label_set import LabelSet
from lodur.model.matcher import Matcher
from lodur.query.evaluate.aggregate import AggregateOp
from lodur.query.evaluate.arithmetic import NumberOp
from lodur.query.evaluate.grouping import Grouping
from lodur.query.evaluate.matching import Matching
from lodur.query.evaluate.set_operations import SetOp

ALL_LABELS = ScanGrouping(mode="all")
"""Series of a scan by all labels that an entry ends with."""


@dataclass(frozen=True, slots=True)
class Need:
    """What every row meets that passes a scan: one of the tests, by a label of its stream, of its metadata, or parsed
    from its line."""

    tests: tuple[Matcher, ...]
    from_line: FromLine


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the rows that pass a scan before any is read."""

    needs: tuple[Need, ...] = ()
    is_empty: bool = False
    """No row passes."""


NOTHING_KNOWN = Known()
"""Of a scan as it was written."""


@dataclass(frozen=True, slots=True)
class LogScan:
    """The entries of a log query."""

    query: LogQuery
    known: Known = NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class RangeScan:
    """One series for each group of entries, `op` over a window at each step; `parameter` is a quantile's."""

    op: RangeOp
    source: LogRange
    grouping: ScanGrouping = ALL_LABELS
    parameter: float | None = None
    known: Known = NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class Absent:
    """One series of `labels` where `operand` has no sample."""

    labels: LabelSet
    operand: MetricPlan


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One series per group of the series of `operand`."""

    op: AggregateOp
    grouping: Grouping
    operand: MetricPlan


@dataclass(frozen=True, slots=True)
class Extremes:
    """The `k` largest (or smallest) samples per group and step."""

    k: int
    largest: bool
    grouping: Grouping
    operand: MetricPlan


@dataclass(frozen=True, slots=True)
class Sort:
    """The series by value."""

    descending: bool
    operand: MetricPlan


@dataclass(frozen=True, slots=True)
class ReplaceLabel:
    """The label `target` set to `replacement` where `regexp` matches the label `source`."""

    target: str
    replacement: str
    source: str
    regexp: str
    operand: MetricPlan


@dataclass(frozen=True, slots=True)
class WithNumber:
    """`operand op number`, or `number op operand`."""

    op: NumberOp
    number: float
    number_left: bool
    as_number: bool
    operand: MetricPlan


@dataclass(frozen=True, slots=True)
class Join:
    """`left op right` over series that match."""

    op: NumberOp
    matching: Matching
    as_number: bool
    left: MetricPlan
    right: MetricPlan


@dataclass(frozen=True, slots=True)
class SetOperation:
    """`left op right`, where samples stay as they are."""

    op: SetOp
    grouping: Grouping
    left: MetricPlan
    right: MetricPlan


@dataclass(frozen=True, slots=True)
class Number:
    """A number: an answer of its own kind."""

    value: float


@dataclass(frozen=True, slots=True)
class Constant:
    """One series without labels that has the same value at every step."""

    value: float


MetricPlan: TypeAlias = (
    RangeScan
    | Absent
    | Aggregate
    | Extremes
    | Sort
    | ReplaceLabel
    | WithNumber
    | Join
    | SetOperation
    | Number
    | Constant
)
"""A plan that gives numbers."""

Plan: TypeAlias = LogScan | MetricPlan
"""Any plan."""


def operands(plan: Plan) -> tuple[MetricPlan, ...]:
    """The nodes that `plan` works on."""
    match plan:
        case LogScan() | RangeScan() | Number() | Constant():
            return ()
        case Absent() | Aggregate() | Extremes() | Sort() | ReplaceLabel() | WithNumber():
            return (plan.operand,)
        case Join() | SetOperation():
            return (plan.left, plan.right)
        case _:
            assert_never(plan)


def walk(plan: Plan) -> Iterator[Plan]:
    """`plan` and all below it, parents first."""
    yield plan
    for operand in operands(plan):
        yield from walk(operand)


def rewrite(plan: Plan, change: Callable[[MetricPlan], MetricPlan]) -> Plan:
    """The plan with `change` applied to every node, operands first. A log query has no such nodes."""
    return plan if isinstance(plan, LogScan) else _rewritten(plan, change)


def rewrite_scans(
    plan: Plan, of_logs: Callable[[LogScan], LogScan], of_ranges: Callable[[RangeScan], RangeScan]
) -> Plan:
    """The plan with its scans changed."""
    if isinstance(plan, LogScan):
        return of_logs(plan)
    return rewrite(plan, lambda node: of_ranges(node) if isinstance(node, RangeScan) else node)


def _rewritten(plan: MetricPlan, change: Callable[[MetricPlan], MetricPlan]) -> MetricPlan:
    match plan:
        case RangeScan() | Number() | Constant():
            return change(plan)
        case Absent() | Aggregate() | Extremes() | Sort() | ReplaceLabel() | WithNumber():
            return change(replace(plan, operand=_rewritten(plan.operand, change)))
        case Join() | SetOperation():
            return change(replace(plan, left=_rewritten(plan.left, change), right=_rewritten(plan.right, change)))
        case _:
            assert_never(plan)
