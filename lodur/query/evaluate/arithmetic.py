"""Operators between two numbers, over whole arrays; and between a matrix and one number.

Division and remainder by zero give NaN, never infinity. A comparison filters the samples, or gives 1 and 0.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

import numpy as np

from lodur.query.evaluate.matrix import Bools, Floats, Matrix


class ArithmeticOp(Enum):
    """Operators that give a number; the value is the written form."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    MODULO = "%"
    POWER = "^"


class ComparisonOp(Enum):
    """Operators that give a truth; the value is the written form."""

    EQUAL = "=="
    NOT_EQUAL = "!="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="


NumberOp: TypeAlias = ArithmeticOp | ComparisonOp
"""An operator between two samples."""


def combine(op: NumberOp, left: Floats | float, right: Floats | float, *, as_number: bool) -> tuple[Floats, Bools]:
    """Samples of `left op right`, and where there are any.

    A comparison keeps the left side's sample where it holds; `as_number` makes it 1 or 0 everywhere.
    """
    with np.errstate(all="ignore"):
        if isinstance(op, ArithmeticOp):
            values = np.asarray(_ARITHMETIC[op](left, right), dtype=np.float64)
            return values, np.ones(values.shape, dtype=np.bool_)
        holds = np.asarray(_COMPARISONS[op](left, right), dtype=np.bool_)
    if as_number:
        return holds.astype(np.float64), np.ones(holds.shape, dtype=np.bool_)
    return np.broadcast_to(np.asarray(left, dtype=np.float64), holds.shape), holds


def with_number(op: NumberOp, matrix: Matrix, number: float, *, number_left: bool, as_number: bool) -> Matrix:
    """`matrix op number`, or `number op matrix`; a comparison that filters keeps the matrix's samples either way."""
    left, right = (number, matrix.values) if number_left else (matrix.values, number)
    values, kept = combine(op, left, right, as_number=as_number)
    if isinstance(op, ComparisonOp) and not as_number:
        values = matrix.values
    return matrix.with_samples(values, matrix.present & kept)


def _divide(left: Floats | float, right: Floats | float) -> Floats:
    return np.where(np.equal(right, 0), np.nan, np.divide(left, right))


def _modulo(left: Floats | float, right: Floats | float) -> Floats:
    return np.where(np.equal(right, 0), np.nan, np.fmod(left, right))


_ARITHMETIC: dict[ArithmeticOp, Callable[[Floats | float, Floats | float], Floats]] = {
    ArithmeticOp.ADD: np.add,
    ArithmeticOp.SUBTRACT: np.subtract,
    ArithmeticOp.MULTIPLY: np.multiply,
    ArithmeticOp.DIVIDE: _divide,
    ArithmeticOp.MODULO: _modulo,
    ArithmeticOp.POWER: np.float_power,
}
_COMPARISONS: dict[ComparisonOp, Callable[[Floats | float, Floats | float], Bools]] = {
    ComparisonOp.EQUAL: np.equal,
    ComparisonOp.NOT_EQUAL: np.not_equal,
    ComparisonOp.GREATER: np.greater,
    ComparisonOp.GREATER_OR_EQUAL: np.greater_equal,
    ComparisonOp.LESS: np.less,
    ComparisonOp.LESS_OR_EQUAL: np.less_equal,
}
