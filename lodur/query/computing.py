"""The part of a plan above its scans: from the series of the leaves to those of the answer.

Operations look at one step at a time, so a large plan is computed stretch by stretch: what lies between its nodes stays
small, and a query that nobody waits for any more stops between two of them. Start at `compute`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import assert_never

from lodur.kernels.scan import Cancel
from lodur.model.errors import LimitExceeded
from lodur.model.label_set import LabelSet
from lodur.query.evaluate.absent import absent
from lodur.query.evaluate.aggregate import aggregate
from lodur.query.evaluate.arithmetic import with_number
from lodur.query.evaluate.grouping import Grouping, Groups, group_rows
from lodur.query.evaluate.matching import match_and_combine
from lodur.query.evaluate.matrix import Matrix, beside, constant_matrix
from lodur.query.evaluate.rank import choose_extremes, sort_by_value
from lodur.query.evaluate.relabel import replace_label
from lodur.query.evaluate.set_operations import combine_sets
from lodur.query.plan.nodes import (
    Absent,
    Aggregate,
    Constant,
    Extremes,
    Join,
    MetricPlan,
    Number,
    Plan,
    RangeScan,
    ReplaceLabel,
    SetOperation,
    Sort,
    WithNumber,
    walk,
)

STRETCH_CELLS = 2**20
"""Samples of all scans in one stretch of steps: each node takes some ten milliseconds over so many, and as many MiB."""

SHARED_NODES_MAX = 256
"""Plans of more nodes are not searched for equal parts: comparing all of them would cost more than computing twice."""

SAMPLE_BYTES = 9
"""A sample, and whether it is there, in a matrix."""


def compute(
    plan: MetricPlan, scanned: Mapping[RangeScan, Matrix], steps: int, *, cancel: Cancel, bytes_max: int
) -> Matrix:
    """The series of `plan`, given those of its scans.

    Raises MatchingConflict, LimitExceeded where the answer takes more than `bytes_max`, DeadlineExceeded once `cancel`
    is set.
    """
    evaluation = _Evaluation(plan, scanned, cancel, is_instant=steps == 1)
    rows = sum(len(matrix.labels) for matrix in scanned.values())
    width = max(1, STRETCH_CELLS // max(1, rows))
    if width >= steps or not _is_divisible(plan):
        return _bounded(evaluation.run(scanned, steps), 0, bytes_max)
    parts: list[Matrix] = []
    series: set[LabelSet] = set()
    held_bytes = 0
    for first in range(0, steps, width):
        end = min(first + width, steps)
        cut = {scan: matrix.between(first, end) for scan, matrix in scanned.items()}
        parts.append(_bounded(evaluation.run(cut, end - first), held_bytes, bytes_max))
        held_bytes += parts[-1].nbytes
        series.update(parts[-1].labels)
        _check_bytes(len(series) * steps * SAMPLE_BYTES, bytes_max)
    return beside(parts, cancel.check)


def _bounded(matrix: Matrix, held_bytes: int, bytes_max: int) -> Matrix:
    _check_bytes(held_bytes + matrix.nbytes, bytes_max)
    return matrix


def _check_bytes(size_bytes: int, bytes_max: int) -> None:
    if size_bytes > bytes_max:
        raise LimitExceeded(
            f"the result of the query would take more than {bytes_max} bytes of memory; aggregate by fewer labels, or "
            "ask for a shorter time range or a larger step",
            limit="max_query_memory",
        )


def _is_divisible(plan: MetricPlan) -> bool:
    """Whether stretches of the answer can be put together by labels: replaced labels need not tell series apart."""
    return not any(isinstance(node, ReplaceLabel) for node in walk(plan))


class _Evaluation:
    """One plan computed over one stretch of steps after the other."""

    def __init__(
        self, plan: MetricPlan, scanned: Mapping[RangeScan, Matrix], cancel: Cancel, *, is_instant: bool
    ) -> None:
        self._plan = plan
        self._cancel = cancel
        self._is_instant = is_instant
        self._shared = _equal_parts(plan)
        self._lasting = frozenset(id(matrix.labels) for matrix in scanned.values())
        self._groups: dict[tuple[int, Grouping], Groups] = {}

    def run(self, scanned: Mapping[RangeScan, Matrix], steps: int) -> Matrix:
        return self._series(self._plan, scanned, steps, {})

    def _series(
        self, plan: MetricPlan, scanned: Mapping[RangeScan, Matrix], steps: int, known: dict[MetricPlan, Matrix]
    ) -> Matrix:
        if not self._shared or plan not in self._shared:
            return self._computed(plan, scanned, steps, known)
        if plan not in known:
            known[plan] = self._computed(plan, scanned, steps, known)
        return known[plan]

    def _computed(
        self, plan: MetricPlan, scanned: Mapping[RangeScan, Matrix], steps: int, known: dict[MetricPlan, Matrix]
    ) -> Matrix:
        self._cancel.check()

        def below(operand: MetricPlan) -> Matrix:
            return self._series(operand, scanned, steps, known)

        match plan:
            case RangeScan():
                return scanned[plan]
            case Number() | Constant():
                return constant_matrix(plan.value, steps)
            case Absent():
                return absent(below(plan.operand), plan.labels)
            case Aggregate():
                return aggregate(plan.op, below(plan.operand), plan.grouping, self._group_rows)
            case Extremes():
                return self._extremes(plan, below(plan.operand))
            case Sort():
                series = below(plan.operand)
                return sort_by_value(series, descending=plan.descending) if self._is_instant else series
            case ReplaceLabel():
                return _relabelled(plan, below(plan.operand))
            case WithNumber():
                number, left = plan.number, plan.number_left
                return with_number(plan.op, below(plan.operand), number, number_left=left, as_number=plan.as_number)
            case Join():
                left_side, right_side = below(plan.left), below(plan.right)
                return match_and_combine(
                    plan.op,
                    left_side,
                    right_side,
                    plan.matching,
                    as_number=plan.as_number,
                    cancel=self._cancel,
                    group=self._group_rows,
                )
            case SetOperation():
                return combine_sets(plan.op, below(plan.left), below(plan.right), plan.grouping, self._group_rows)
            case _:
                assert_never(plan)

    def _extremes(self, plan: Extremes, series: Matrix) -> Matrix:
        return choose_extremes(
            series, plan.k, plan.grouping, largest=plan.largest, cancel=self._cancel, group=self._group_rows
        )

    def _group_rows(self, labels: Sequence[LabelSet], grouping: Grouping) -> Groups:
        """The groups of these series; those of scans, which every stretch has, are found once."""
        if id(labels) not in self._lasting:
            return group_rows(labels, grouping)
        key = (id(labels), grouping)
        if key not in self._groups:
            self._groups[key] = group_rows(labels, grouping)
        return self._groups[key]


def _relabelled(plan: ReplaceLabel, series: Matrix) -> Matrix:
    return replace_label(
        series, target=plan.target, replacement=plan.replacement, source=plan.source, regexp=plan.regexp
    )


def _equal_parts(plan: Plan) -> frozenset[Plan]:
    """The nodes that occur more than once, but for leaves, which are at hand."""
    nodes: Counter[Plan] = Counter()
    for number, node in enumerate(walk(plan)):
        if number == SHARED_NODES_MAX:
            return frozenset()
        if not isinstance(node, RangeScan | Number | Constant):
            nodes[node] += 1
    return frozenset(node for node, count in nodes.items() if count > 1)
