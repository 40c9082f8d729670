from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.logql.arithmetic import compute
from lodur.logql.operators import BinaryOp


@pytest.mark.parametrize(
    ("left", "op", "right", "result"),
    [
        (1, BinaryOp.ADD, 2, 3),
        (1, BinaryOp.SUBTRACT, 2, -1),
        (3, BinaryOp.MULTIPLY, 2, 6),
        (7, BinaryOp.DIVIDE, 2, 3.5),
        (1, BinaryOp.DIVIDE, 0, math.nan),
        (10, BinaryOp.MODULO, 4, 2),
        (-7, BinaryOp.MODULO, 4, -3),
        (1, BinaryOp.MODULO, 0, math.nan),
        (math.inf, BinaryOp.MODULO, 2, math.nan),
        (-2, BinaryOp.POWER, 2, 4),
        (2, BinaryOp.POWER, 1024, math.inf),
        (-2, BinaryOp.POWER, 1025, -math.inf),
        (-8, BinaryOp.POWER, 1 / 3, math.nan),
        (0, BinaryOp.POWER, -1, math.inf),
        (-0.0, BinaryOp.POWER, -1, -math.inf),
        (0, BinaryOp.POWER, -2, math.inf),
        (1, BinaryOp.EQUAL, 1, 1),
        (1, BinaryOp.NOT_EQUAL, 1, 0),
        (2, BinaryOp.GREATER, 1, 1),
        (1, BinaryOp.GREATER_OR_EQUAL, 1, 1),
        (1, BinaryOp.LESS, 1, 0),
        (math.nan, BinaryOp.LESS_OR_EQUAL, 1, 0),
    ],
)
def test_results(left: float, op: BinaryOp, right: float, result: float) -> None:
    computed = compute(op, left, right)
    assert computed == result or (math.isnan(computed) and math.isnan(result))


@given(st.sampled_from([op for op in BinaryOp if not op.is_set]), st.floats(), st.floats())
def test_every_pair_of_numbers_has_a_result(op: BinaryOp, left: float, right: float) -> None:
    assert isinstance(compute(op, left, right), float)
