"""Choice and order of series by their values: the k largest or smallest per step, and sorting of one instant."""

from __future__ import annotations

import numpy as np

from lodur.kernels import rank
from lodur.kernels.scan import Cancel
from lodur.query.evaluate.grouping import Grouping, GroupRows, group_rows
from lodur.query.evaluate.matrix import Matrix


def choose_extremes(
    matrix: Matrix,
    k: int,
    grouping: Grouping,
    *,
    largest: bool,
    cancel: Cancel | None = None,
    group: GroupRows = group_rows,
) -> Matrix:
    """Per step and group, the samples of the `k` series with the largest (or smallest) values.

    Series keep their labels. NaN is chosen last; of equal values the earlier series is chosen.
    """
    if not matrix.labels or k <= 0:
        return matrix.select(())
    groups = group(matrix.labels, grouping)
    chosen = rank.choose_extremes(
        np.ascontiguousarray(matrix.values),
        np.ascontiguousarray(matrix.present),
        groups=groups.of_row.astype(np.uint32),
        group_count=len(groups.labels),
        k=min(k, len(matrix.labels)),
        largest=largest,
        cancel=cancel or Cancel(),
    )
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
