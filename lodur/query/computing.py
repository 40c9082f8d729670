"""The part of a plan above its scans: from the series of the leaves to those of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from lodur.query.evaluate.absent import absent
from lodur.query.evaluate.aggregate import aggregate
from lodur.query.evaluate.arithmetic import with_number
from lodur.query.evaluate.matching import match_and_combine
from lodur.query.evaluate.matrix import Matrix, constant_matrix
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
    RangeScan,
    ReplaceLabel,
    SetOperation,
    Sort,
    WithNumber,
)


def compute(plan: MetricPlan, scanned: Mapping[RangeScan, Matrix], steps: int) -> Matrix:
    """The series of `plan`, given those of its scans. Raises MatchingConflict."""

    def below(operand: MetricPlan) -> Matrix:
        return compute(operand, scanned, steps)

    match plan:
        case RangeScan():
            return scanned[plan]
        case Number() | Constant():
            return constant_matrix(plan.value, steps)
        case Absent():
            return absent(below(plan.operand), plan.labels)
        case Aggregate():
            return aggregate(plan.op, below(plan.operand), plan.grouping)
        case Extremes():
            return choose_extremes(below(plan.operand), plan.k, plan.grouping, largest=plan.largest)
        case Sort():
            return sort_by_value(below(plan.operand), descending=plan.descending)
        case ReplaceLabel():
            return replace_label(
                below(plan.operand),
                target=plan.target,
                replacement=plan.replacement,
                source=plan.source,
                regexp=plan.regexp,
            )
        case WithNumber():
            operand = below(plan.operand)
            return with_number(plan.op, operand, plan.number, number_left=plan.number_left, as_number=plan.as_number)
        case Join():
            left, right = below(plan.left), below(plan.right)
            return match_and_combine(plan.op, left, right, plan.matching, as_number=plan.as_number)
        case SetOperation():
            return combine_sets(plan.op, below(plan.left), below(plan.right), plan.grouping)
        case _:
            assert_never(plan)
