"""Choice and order of series by their values: the k largest or smallest per step, and sorting of one instant."""

from __future__ import annotations

import numpy as np

from lodur.query.evaluate.grouping import Grouping, group_rows
from lodur.query.evaluate.matrix import Bools, Floats, Matrix


def choose_extremes(matrix: Matrix, k: int, grouping: Grouping, *, largest: bool) -> Matrix:
    """Per step and group, the samples of the `k` series with the largest (or smallest) values.

    Series keep their labels. NaN is chosen last; of equal values the earlier series is chosen.
    """
    if not matrix.labels or k <= 0:
        return matrix.select(())
    groups = group_rows(matrix.labels, grouping)
    chosen = np.zeros_like(matrix.present)
    for group in range(len(groups.labels)):
        rows = groups.rows(group)
        chosen[rows] = _chosen(matrix.values[rows], matrix.present[rows], k, largest=largest)
    return matrix.with_samples(matrix.values, chosen)


def sort_by_value(matrix: Matrix, *, descending: bool) -> Matrix:
    """The series in the order of their values at the only step; with several steps there is no such order.

    NaN comes last either way; equal values are in the order of their labels.
    """
    if matrix.steps != 1:
        return matrix
    by_labels = Matrix(matrix.labels, matrix.values, matrix.present).sorted_by_labels()
    column = by_labels.values[:, 0]
    order = np.argsort(-column if descending else column, kind="stable")
    rows = by_labels.select(order.tolist())
    return Matrix(rows.labels, rows.values, rows.present, ordered=True)


def _chosen(values: Floats, present: Bools, k: int, *, largest: bool) -> Bools:
    """Which cells of one group are chosen."""
    if len(values) <= k:
        return present
    keys = -values if largest else values
    order = np.lexsort((keys, ~present), axis=0)
    chosen = np.zeros_like(present)
    np.put_along_axis(chosen, order[:k], True, axis=0)
    return chosen & present
