"""Compute what is known before any row is read: arithmetic between constants, and such that changes nothing."""

from __future__ import annotations

from lodur.query.evaluate.arithmetic import ArithmeticOp, combine
from lodur.query.plan.nodes import Constant, Join, MetricPlan, Plan, WithNumber, rewrite


def fold_constants(plan: Plan) -> Plan:
    """`vector(1) + 2` and `vector(1) + vector(2)` become one constant, `x * 1` becomes `x`.

    Comparisons stay: they may leave no sample.
    """
    return rewrite(plan, _fold)


def _fold(plan: MetricPlan) -> MetricPlan:
    match plan:
        case WithNumber(op=ArithmeticOp() as op, number=number, number_left=number_left, operand=Constant(value)):
            left, right = (number, value) if number_left else (value, number)
            return _computed(op, left, right)
        case Join(op=ArithmeticOp() as op, left=Constant(left), right=Constant(right)):
            return _computed(op, left, right)
        case WithNumber(op=ArithmeticOp.MULTIPLY, number=1.0, operand=operand):
            return operand
        case WithNumber(op=ArithmeticOp.DIVIDE | ArithmeticOp.POWER, number=1.0, number_left=False, operand=operand):
            return operand
        case _:
            return plan


def _computed(op: ArithmeticOp, left: float, right: float) -> Constant:
    values, _ = combine(op, left, right, as_number=False)
    return Constant(float(values))
