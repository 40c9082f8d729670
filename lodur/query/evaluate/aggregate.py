"""Aggregations of the series of one instant: one result series per group."""

from __future__ import annotations

from enum import Enum
from typing import assert_never

import numpy as np

from lodur.query.evaluate.grouping import Grouping, GroupRows, Groups, group_rows
from lodur.query.evaluate.matrix import Bools, Floats, Matrix


class AggregateOp(Enum):
    """How the samples of a group become one; the value is the name in query languages."""

    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    STDDEV = "stddev"
    STDVAR = "stdvar"


def aggregate(op: AggregateOp, matrix: Matrix, grouping: Grouping, group: GroupRows = group_rows) -> Matrix:
    """One series per group, with a sample where any of its series has one.

    NaN spreads through sums, means and deviations; minimum and maximum pass over it unless there is nothing else.
    """
    if not matrix.labels:
        return matrix
    groups = group(matrix.labels, grouping)
    counts = np.add.reduceat(matrix.present[groups.order].astype(np.float64), groups.starts, axis=0)
    present: Bools = counts > 0
    with np.errstate(all="ignore"):
        values = _values(op, matrix, groups, counts)
    return Matrix(groups.labels, values, present)


def _values(op: AggregateOp, matrix: Matrix, groups: Groups, counts: Floats) -> Floats:
    match op:
        case AggregateOp.COUNT:
            return counts
        case AggregateOp.SUM:
            return _sums(matrix.values, matrix.present, groups)
        case AggregateOp.AVG:
            return _sums(matrix.values, matrix.present, groups) / np.maximum(counts, 1)
        case AggregateOp.MIN:
            return _extremes(np.fmin, matrix, groups)
        case AggregateOp.MAX:
            return _extremes(np.fmax, matrix, groups)
        case AggregateOp.STDVAR:
            return _variances(matrix, groups, counts)
        case AggregateOp.STDDEV:
            return np.sqrt(_variances(matrix, groups, counts))
        case _:
            assert_never(op)


def _sums(values: Floats, present: Bools, groups: Groups) -> Floats:
    filled = np.where(present, values, 0.0)
    sums: Floats = np.add.reduceat(filled[groups.order], groups.starts, axis=0)
    return sums


def _extremes(choose: np.ufunc, matrix: Matrix, groups: Groups) -> Floats:
    filled = np.where(matrix.present, matrix.values, np.nan)
    extremes: Floats = choose.reduceat(filled[groups.order], groups.starts, axis=0)
    return extremes


def _variances(matrix: Matrix, groups: Groups, counts: Floats) -> Floats:
    """Population variances, from the deviations of the means: the textbook's shorter form loses digits."""
    counts = np.maximum(counts, 1)
    means = _sums(matrix.values, matrix.present, groups) / counts
    deviations = matrix.values - means[groups.of_row]
    return _sums(deviations * deviations, matrix.present, groups) / counts
