"""Operations on matrices whose meaning a reader should see in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from lodur.model.label_set import LabelSet
from lodur.query.evaluate.absent import absent
from lodur.query.evaluate.arithmetic import ArithmeticOp, ComparisonOp, NumberOp, with_number
from lodur.query.evaluate.grouping import Grouping
from lodur.query.evaluate.matching import ManySide, Matching, MatchingConflict, match_and_combine
from lodur.query.evaluate.matrix import Matrix, constant_matrix, empty_matrix
from lodur.query.evaluate.rank import choose_extremes, sort_by_value

GAP = None


def label_set(text: str) -> LabelSet:
    pairs = (part.partition("=") for part in text.split(",") if part)
    return LabelSet.of([(name, value) for name, _, value in pairs])


def matrix(series: Mapping[str, list[float | None]]) -> Matrix:
    """Series by labels written as `app=x,env=prod`; None is a missing sample."""
    rows = list(series.values())
    values = np.array([[0.0 if value is None else value for value in row] for row in rows], dtype=np.float64)
    present = np.array([[value is not None for value in row] for row in rows], dtype=np.bool_)
    return Matrix(tuple(map(label_set, series)), values, present)


def series_of(result: Matrix) -> dict[str, list[float | None]]:
    return {
        ",".join(f"{name}={value}" for name, value in labels): [
            float(value) if there else None for value, there in zip(values, present, strict=True)
        ]
        for labels, values, present in zip(result.labels, result.values, result.present, strict=True)
    }


@pytest.mark.parametrize(
    ("op", "number", "number_left", "as_number", "expected"),
    [
        (ArithmeticOp.ADD, 1.0, False, False, [3.0, 1.0]),
        (ArithmeticOp.SUBTRACT, 1.0, True, False, [-1.0, 1.0]),
        (ArithmeticOp.DIVIDE, 0.0, False, False, [math.nan, math.nan]),
        (ArithmeticOp.DIVIDE, 1.0, True, False, [0.5, math.nan]),
        (ArithmeticOp.MODULO, 0.0, False, False, [math.nan, math.nan]),
        (ArithmeticOp.POWER, 3.0, False, False, [8.0, 0.0]),
        (ComparisonOp.GREATER, 1.0, False, False, [2.0, None]),
        (ComparisonOp.GREATER, 5.0, True, False, [2.0, 0.0]),
        (ComparisonOp.GREATER, 1.0, False, True, [1.0, 0.0]),
        (ComparisonOp.NOT_EQUAL, 2.0, True, True, [0.0, 1.0]),
    ],
)
def test_with_number(
    op: NumberOp, number: float, number_left: bool, as_number: bool, expected: list[float | None]
) -> None:
    result = with_number(op, matrix({"a=x": [2.0, 0.0]}), number, number_left=number_left, as_number=as_number)
    assert repr(series_of(result)) == repr({"a=x": expected})


def test_a_comparison_that_leaves_nothing_drops_the_series() -> None:
    result = with_number(ComparisonOp.LESS, matrix({"a=x": [2.0]}), 1.0, number_left=False, as_number=False)
    assert result.labels == ()


def test_group_left_keeps_the_many_sides_labels_and_takes_the_included() -> None:
    many = matrix({"app=x,pod=1": [6.0], "app=x,pod=2": [3.0], "app=y,pod=3": [1.0]})
    one = matrix({"app=x,team=t": [3.0]})
    matching = Matching(on=True, names=frozenset({"app"}), many=ManySide.LEFT, include=("team",))
    result = match_and_combine(ArithmeticOp.DIVIDE, many, one, matching, as_number=False)
    assert series_of(result) == {"app=x,pod=1,team=t": [2.0], "app=x,pod=2,team=t": [1.0]}


def test_group_right_computes_in_the_written_order() -> None:
    one, many = matrix({"app=x": [6.0]}), matrix({"app=x,pod=1": [3.0]})
    matching = Matching(on=True, names=frozenset({"app"}), many=ManySide.RIGHT)
    result = match_and_combine(ArithmeticOp.DIVIDE, one, many, matching, as_number=False)
    assert series_of(result) == {"app=x,pod=1": [2.0]}


@pytest.mark.parametrize(
    ("left", "right", "many", "text"),
    [
        ({"p=1": [1.0]}, {"p=1": [1.0], "p=2": [1.0]}, None, "found duplicate series on the right hand-side"),
        ({"p=1": [1.0], "p=2": [1.0]}, {"p=1": [1.0]}, ManySide.RIGHT, "found duplicate series on the left hand-side"),
        ({"p=1": [1.0], "p=2": [1.0]}, {"p=1": [1.0]}, None, "multiple matches for labels: many-to-one"),
    ],
)
def test_ambiguous_pairs(
    left: dict[str, list[float | None]], right: dict[str, list[float | None]], many: ManySide | None, text: str
) -> None:
    with pytest.raises(MatchingConflict, match=text):
        match_and_combine(ArithmeticOp.ADD, matrix(left), matrix(right), Matching(on=True, many=many), as_number=False)


def test_series_that_take_turns_may_share_a_signature() -> None:
    left = matrix({"p=1": [1.0, 1.0]})
    right = matrix({"p=1": [10.0, GAP], "p=2": [GAP, 20.0]})
    result = match_and_combine(ArithmeticOp.ADD, left, right, Matching(on=True), as_number=False)
    assert series_of(result) == {"": [11.0, 21.0]}


def test_topk_chooses_per_step_and_prefers_numbers_to_nan() -> None:
    result = choose_extremes(
        matrix({"a=1": [1.0, math.nan], "a=2": [2.0, GAP], "a=3": [0.0, -1.0]}), 1, Grouping(), largest=True
    )
    assert series_of(result) == {"a=2": [2.0, GAP], "a=3": [GAP, -1.0]}


def test_sort_is_an_order_of_one_step() -> None:
    series = matrix({"a=1": [2.0], "a=2": [math.nan], "a=3": [3.0]})
    assert list(series_of(sort_by_value(series, descending=True).sorted_by_labels())) == ["a=3", "a=1", "a=2"]
    assert list(series_of(sort_by_value(series, descending=False))) == ["a=1", "a=3", "a=2"]
    two_steps = matrix({"a=2": [1.0, 1.0], "a=1": [2.0, 2.0]})
    assert list(series_of(sort_by_value(two_steps, descending=False).sorted_by_labels())) == ["a=1", "a=2"]


def test_absent_is_present_where_nothing_is() -> None:
    labels = LabelSet.of({"app": "x"})
    assert series_of(absent(matrix({"a=1": [1.0, GAP]}), labels)) == {"app=x": [GAP, 1.0]}
    assert series_of(absent(empty_matrix(2), labels)) == {"app=x": [1.0, 1.0]}
    assert absent(constant_matrix(1.0, 2), labels).labels == ()
