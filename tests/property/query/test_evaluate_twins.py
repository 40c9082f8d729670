"""The evaluator says at every step what its twin says of that step alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.model.label_set import LabelSet
from lodur.query.evaluate.aggregate import AggregateOp, aggregate
from lodur.query.evaluate.arithmetic import ArithmeticOp, ComparisonOp
from lodur.query.evaluate.grouping import Grouping
from lodur.query.evaluate.matching import Matching, MatchingConflict, match_and_combine
from lodur.query.evaluate.matrix import Matrix
from lodur.query.evaluate.rank import choose_extremes
from lodur.query.evaluate.set_operations import SetOp, combine_sets
from tests.matrix_strategies import any_matrix, groupings, matrix_pairs
from tests.oracles import matrices as twin


def same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right)) or math.isclose(left, right, rel_tol=1e-12)


def assert_same(matrix: Matrix, expected: list[twin.Vector]) -> None:
    assert len(set(matrix.labels)) == len(matrix.labels)
    for got, want in zip(twin.vectors(matrix), expected, strict=True):
        found, wanted = dict(got), dict(want)
        assert set(found) == set(wanted)
        assert all(same(found[labels], wanted[labels]) for labels in wanted), (found, wanted)


@pytest.mark.parametrize("op", list(AggregateOp))
@given(matrix=any_matrix, grouping=groupings)
def test_aggregate(op: AggregateOp, matrix: Matrix, grouping: Grouping) -> None:
    expected = [
        twin.aggregate(op.value, vector, grouping.names, without=grouping.without) for vector in twin.vectors(matrix)
    ]
    assert_same(aggregate(op, matrix, grouping), expected)


@given(matrix=any_matrix, grouping=groupings, k=st.integers(1, 4), largest=st.booleans())
def test_choose_extremes(matrix: Matrix, grouping: Grouping, k: int, largest: bool) -> None:
    chosen = choose_extremes(matrix, k, grouping, largest=largest)
    for got, given_vector in zip(twin.vectors(chosen), twin.vectors(matrix), strict=True):
        wanted = twin.extremes(given_vector, k, grouping.names, without=grouping.without, largest=largest)
        found = twin.extremes(got, len(got), grouping.names, without=grouping.without, largest=largest)
        assert sorted(map(repr, wanted)) == sorted(map(repr, found))
        assert all(labels in dict(given_vector) for labels, _ in got)


@pytest.mark.parametrize("op", list(SetOp))
@given(pair=matrix_pairs, grouping=groupings)
def test_set_operations(op: SetOp, pair: tuple[Matrix, Matrix], grouping: Grouping) -> None:
    left, right = pair
    combined = combine_sets(op, left, right, grouping)
    for got, left_vector, right_vector in zip(
        twin.vectors(combined), twin.vectors(left), twin.vectors(right), strict=True
    ):
        wanted = twin.set_operation(op.value, left_vector, right_vector, grouping.names, without=grouping.without)
        # A right series without a match may carry the labels of a left one: the left sample stays.
        assert dict(reversed(wanted)).keys() == dict(got).keys()
        assert all(same(dict(got)[labels], dict(reversed(wanted))[labels]) for labels, _ in got)


def subtract(left: float, right: float) -> float | None:
    return left - right


def keep_greater(left: float, right: float) -> float | None:
    return left if left > right else None


@pytest.mark.parametrize("op", [ArithmeticOp.SUBTRACT, ComparisonOp.GREATER])
@given(pair=matrix_pairs, names=st.frozensets(st.sampled_from(("a", "b", "c"))), on=st.booleans())
def test_one_to_one(
    op: ArithmeticOp | ComparisonOp, pair: tuple[Matrix, Matrix], names: frozenset[str], on: bool
) -> None:
    left, right = pair
    compute = subtract if op is ArithmeticOp.SUBTRACT else keep_greater
    expected = [
        twin.one_to_one(compute, left_vector, right_vector, names, without=not on)
        for left_vector, right_vector in zip(twin.vectors(left), twin.vectors(right), strict=True)
    ]
    matching = Matching(on=on, names=names)
    if any(vector is None for vector in expected):
        with pytest.raises(MatchingConflict):
            match_and_combine(op, left, right, matching, as_number=False)
    else:
        joined = match_and_combine(op, left, right, matching, as_number=False)
        assert_same(joined, [vector for vector in expected if vector is not None])


@given(any_matrix)
def test_sorting_by_labels_keeps_all_samples(matrix: Matrix) -> None:
    ordered = matrix.sorted_by_labels()
    assert list(ordered.labels) == sorted(matrix.labels)
    assert sorted(repr(vector) for vector in map(sorted_vector, twin.vectors(ordered))) == sorted(
        repr(vector) for vector in map(sorted_vector, twin.vectors(matrix))
    )


def sorted_vector(vector: twin.Vector) -> list[tuple[LabelSet, float]]:
    return sorted(vector, key=lambda one: one[0])
