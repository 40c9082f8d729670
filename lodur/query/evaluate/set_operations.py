"""Set operators between two matrices: samples stay or go by whether the other side has a match at their step."""

from __future__ import annotations

from enum import Enum
from typing import assert_never

import numpy as np

from lodur.query.evaluate.grouping import Grouping, GroupRows, group_rows
from lodur.query.evaluate.matrix import Bools, Matrix, stack


class SetOp(Enum):
    """Operators that choose samples; the value is the written form."""

    AND = "and"
    OR = "or"
    UNLESS = "unless"


def combine_sets(op: SetOp, left: Matrix, right: Matrix, grouping: Grouping, group: GroupRows = group_rows) -> Matrix:
    """`left op right`; two series match that have the same labels under `grouping`."""
    match op:
        case SetOp.AND:
            return left.with_samples(left.values, left.present & _matched(left, right, grouping, group))
        case SetOp.UNLESS:
            return left.with_samples(left.values, left.present & ~_matched(left, right, grouping, group))
        case SetOp.OR:
            added = right.with_samples(right.values, right.present & ~_matched(right, left, grouping, group))
            return _united(left, added)
        case _:
            assert_never(op)


def _matched(matrix: Matrix, other: Matrix, grouping: Grouping, group: GroupRows) -> Bools:
    """Where a series of `other` with the same signature has a sample, for each cell of `matrix`."""
    matched = np.zeros(matrix.present.shape, dtype=np.bool_)
    if not other.labels or not matrix.labels:
        return matched
    groups = group(other.labels, grouping)
    presence = np.logical_or.reduceat(other.present[groups.order], groups.starts, axis=0)
    found = groups.same_as(group(matrix.labels, grouping))
    matched[found >= 0] = presence[found[found >= 0]]
    return matched


def _united(left: Matrix, right: Matrix) -> Matrix:
    """The samples of both; series of equal labels become one, where the left side's samples go first."""
    rows = {labels: row for row, labels in enumerate(left.labels)}
    same = np.fromiter((rows.get(labels, -1) for labels in right.labels), dtype=np.intp, count=len(right.labels))
    values, present = left.values.copy(), left.present.copy()
    doubled = np.flatnonzero(same >= 0)
    if len(set(same[doubled].tolist())) == len(doubled):
        free = right.present[doubled] & ~present[same[doubled]]
        values[same[doubled]] = np.where(free, right.values[doubled], values[same[doubled]])
        present[same[doubled]] |= free
    else:
        # Series of the right side share labels too: the earlier one's samples go first.
        for row in doubled.tolist():
            free = right.present[row] & ~present[same[row]]
            values[same[row]][free] = right.values[row][free]
            present[same[row]] |= free
    added = np.flatnonzero(same < 0).tolist()
    return stack([Matrix(left.labels, values, present), right.select(added)], left.steps)
