"""Set operators between two matrices: samples stay or go by whether the other side has a match at their step."""

from __future__ import annotations

from enum import Enum
from typing import assert_never

import numpy as np

from lodur.model.label_set import LabelSet
from lodur.query.evaluate.grouping import Grouping
from lodur.query.evaluate.matrix import Bools, Matrix, stack


class SetOp(Enum):
    """Operators that choose samples; the value is the written form."""

    AND = "and"
    OR = "or"
    UNLESS = "unless"


def combine_sets(op: SetOp, left: Matrix, right: Matrix, grouping: Grouping) -> Matrix:
    """`left op right`; two series match that have the same labels under `grouping`."""
    match op:
        case SetOp.AND:
            return left.with_samples(left.values, left.present & _matched(left, right, grouping))
        case SetOp.UNLESS:
            return left.with_samples(left.values, left.present & ~_matched(left, right, grouping))
        case SetOp.OR:
            added = right.with_samples(right.values, right.present & ~_matched(right, left, grouping))
            return _united(left, added)
        case _:
            assert_never(op)


def _matched(matrix: Matrix, other: Matrix, grouping: Grouping) -> Bools:
    """Where a series of `other` with the same signature has a sample, for each cell of `matrix`."""
    presence: dict[LabelSet, Bools] = {}
    for labels, present in zip(other.labels, other.present, strict=True):
        key = grouping.key(labels)
        presence[key] = presence[key] | present if key in presence else present
    matched = np.zeros_like(matrix.present)
    for row, labels in enumerate(matrix.labels):
        if (found := presence.get(grouping.key(labels))) is not None:
            matched[row] = found
    return matched


def _united(left: Matrix, right: Matrix) -> Matrix:
    """The samples of both; series of equal labels become one, where the left side's samples go first."""
    rows = {labels: row for row, labels in enumerate(left.labels)}
    values, present = left.values.copy(), left.present.copy()
    added: list[int] = []
    for row, labels in enumerate(right.labels):
        same = rows.get(labels)
        if same is None:
            added.append(row)
            continue
        free = right.present[row] & ~present[same]
        values[same][free] = right.values[row][free]
        present[same] |= free
    return stack([Matrix(left.labels, values, present), right.select(added)], left.steps)
