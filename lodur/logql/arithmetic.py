"""Arithmetic between two numbers, as it is done when a query is read. Division by zero gives NaN, never infinity."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from lodur.logql.operators import BinaryOp


def compute(op: BinaryOp, left: float, right: float) -> float:
    """`left op right`; a comparison gives 0 or 1. Set operators have no meaning here (KeyError)."""
    return float(_OPERATIONS[op](left, right))


def _divide(left: float, right: float) -> float:
    return left / right if right else math.nan


def _modulo(left: float, right: float) -> float:
    return math.fmod(left, right) if right and math.isfinite(left) else math.nan


def _power(base: float, exponent: float) -> float:
    odd = math.isfinite(exponent) and math.fmod(exponent, 2) in (1, -1)
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        if base:
            return math.nan
        return math.copysign(math.inf, base) if odd else math.inf


_OPERATIONS: dict[BinaryOp, Callable[[float, float], float]] = {
    BinaryOp.EQUAL: operator.eq,
    BinaryOp.NOT_EQUAL: operator.ne,
    BinaryOp.GREATER: operator.gt,
    BinaryOp.GREATER_OR_EQUAL: operator.ge,
    BinaryOp.LESS: operator.lt,
    BinaryOp.LESS_OR_EQUAL: operator.le,
    BinaryOp.ADD: operator.add,
    BinaryOp.SUBTRACT: operator.sub,
    BinaryOp.MULTIPLY: operator.mul,
    BinaryOp.DIVIDE: _divide,
    BinaryOp.MODULO: _modulo,
    BinaryOp.POWER: _power,
}
