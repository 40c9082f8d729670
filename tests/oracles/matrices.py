"""Twins of `lodur.query.evaluate`: one step at a time, one sample at a time.

A vector is what a matrix holds at one step: a list of (labels, value), labels as dicts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from lodur.model.label_set import LabelSet
from lodur.query.evaluate.matrix import Matrix

Sample = tuple[LabelSet, float]
Vector = list[Sample]


def vectors(matrix: Matrix) -> list[Vector]:
    """What a matrix holds, step by step."""
    return [
        [
            (labels, float(matrix.values[row, step]))
            for row, labels in enumerate(matrix.labels)
            if matrix.present[row, step]
        ]
        for step in range(matrix.steps)
    ]


def key(labels: LabelSet, names: frozenset[str], *, without: bool) -> LabelSet:
    return LabelSet.of({name: value for name, value in labels if (name in names) != without})


def aggregate(op: str, vector: Vector, names: frozenset[str], *, without: bool) -> Vector:
    groups: dict[LabelSet, list[float]] = {}
    for labels, value in vector:
        groups.setdefault(key(labels, names, without=without), []).append(value)
    return [(labels, _AGGREGATES[op](values)) for labels, values in groups.items()]


def _extreme(values: list[float], choose: Callable[[list[float]], float]) -> float:
    numbers = [value for value in values if not math.isnan(value)]
    return choose(numbers) if numbers else math.nan


def _variance(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


_AGGREGATES: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "avg": lambda values: sum(values) / len(values),
    "min": lambda values: _extreme(values, min),
    "max": lambda values: _extreme(values, max),
    "count": lambda values: float(len(values)),
    "stdvar": _variance,
    "stddev": lambda values: math.sqrt(_variance(values)),
}


def extremes(vector: Vector, k: int, names: frozenset[str], *, without: bool, largest: bool) -> list[list[float]]:
    """The values chosen in each group, best first; NaN after all numbers."""
    groups: dict[LabelSet, list[float]] = {}
    for labels, value in vector:
        groups.setdefault(key(labels, names, without=without), []).append(value)

    def rank(value: float) -> tuple[bool, float]:
        if math.isnan(value):
            return (True, 0.0)
        return (False, -value if largest else value)

    return [sorted(values, key=rank)[:k] for values in groups.values()]


def set_operation(op: str, left: Vector, right: Vector, names: frozenset[str], *, without: bool) -> Vector:
    left_keys = {key(labels, names, without=without) for labels, _ in left}
    right_keys = {key(labels, names, without=without) for labels, _ in right}
    if op == "and":
        return [one for one in left if key(one[0], names, without=without) in right_keys]
    if op == "unless":
        return [one for one in left if key(one[0], names, without=without) not in right_keys]
    return left + [one for one in right if key(one[0], names, without=without) not in left_keys]


def one_to_one(
    compute: Callable[[float, float], float | None],
    left: Vector,
    right: Vector,
    names: frozenset[str],
    *,
    without: bool,
) -> Vector | None:
    """The joined vector; None where the pairs are not unique."""
    by_key: dict[LabelSet, float] = {}
    for labels, value in right:
        one = key(labels, names, without=without)
        if one in by_key:
            return None
        by_key[one] = value
    joined: dict[LabelSet, float | None] = {}
    for labels, value in left:
        one = key(labels, names, without=without)
        if one not in by_key:
            continue
        if one in joined:
            return None
        joined[one] = compute(value, by_key[one])
    return [(labels, value) for labels, value in joined.items() if value is not None]
