"""Operators between two matrices: which series belong together, and what the result is called.

Matching is judged step by step: two series of one side may share a signature as long as they have no sample at the
same step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from lodur.model.errors import InvalidRequest
from lodur.model.label_set import LabelSet
from lodur.query.evaluate.arithmetic import NumberOp, combine
from lodur.query.evaluate.grouping import Grouping
from lodur.query.evaluate.matrix import Bools, Floats, Matrix, empty_matrix


class MatchingConflict(InvalidRequest):
    """The series of two sides cannot be paired; clients expect this as a failure of the query, not of its text."""


class ManySide(Enum):
    """The side that may have many series for one of the other."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Matching:
    """Series match that agree in `names` (`on`), or in all labels but `names`; `include` are labels that the many
    side takes from the one."""

    on: bool = False
    names: frozenset[str] = frozenset()
    many: ManySide | None = None
    include: tuple[str, ...] = ()

    @property
    def grouping(self) -> Grouping:
        """What two series must have in common."""
        return Grouping(self.names, without=not self.on)

    def result_labels(self, many: LabelSet, one: LabelSet) -> LabelSet:
        """The labels of the series made of these two."""
        if self.many is None:
            return self.grouping.key(many)
        if not self.include:
            return many
        taken = {name: one.get(name) for name in self.include}
        pairs = [pair for pair in many if pair[0] not in taken]
        return LabelSet.of([*pairs, *((name, value) for name, value in taken.items() if value)])


def match_and_combine(op: NumberOp, left: Matrix, right: Matrix, matching: Matching, *, as_number: bool) -> Matrix:
    """`left op right` over the series that belong together. Raises MatchingConflict."""
    swapped = matching.many is ManySide.RIGHT
    many, one = (right, left) if swapped else (left, right)
    by_signature = _index(one, matching.grouping)
    _refuse_duplicates(one, by_signature.values(), side="left" if swapped else "right")
    joined = _Joined(many.steps, many_to_one=matching.many is not None)
    for row, labels in enumerate(many.labels):
        for other in by_signature.get(matching.grouping.key(labels), ()):
            both = many.present[row] & one.present[other]
            if not both.any():
                continue
            pair = (one.values[other], many.values[row]) if swapped else (many.values[row], one.values[other])
            values, kept = combine(op, *pair, as_number=as_number)
            joined.add(matching.result_labels(labels, one.labels[other]), values, both, kept)
    return joined.matrix()


def _index(matrix: Matrix, grouping: Grouping) -> dict[LabelSet, list[int]]:
    """The rows of each signature."""
    rows: dict[LabelSet, list[int]] = {}
    for row, labels in enumerate(matrix.labels):
        rows.setdefault(grouping.key(labels), []).append(row)
    return rows


def _refuse_duplicates(matrix: Matrix, groups: Iterable[list[int]], *, side: str) -> None:
    for rows in groups:
        if len(rows) > 1 and (np.count_nonzero(matrix.present[rows], axis=0) > 1).any():
            raise MatchingConflict(
                f"found duplicate series on the {side} hand-side;many-to-many matching not allowed: "
                "matching labels must be unique on one side"
            )


class _Joined:
    """Result series under construction; pairs with equal labels share one as long as their steps differ."""

    def __init__(self, steps: int, *, many_to_one: bool) -> None:
        self._steps = steps
        self._many_to_one = many_to_one
        self._rows: dict[LabelSet, tuple[Floats, Bools, Bools]] = {}

    def add(self, labels: LabelSet, values: Floats, matched: Bools, kept: Bools) -> None:
        """Add the samples of one pair: `matched` where both sides have one, `kept` where the operator left one."""
        seen = self._rows.get(labels)
        if seen is None:
            self._rows[labels] = (values, matched, matched & kept)
            return
        old_values, old_matched, old_kept = seen
        if (old_matched & matched).any():
            raise MatchingConflict(
                "multiple matches for labels: grouping labels must ensure unique matches"
                if self._many_to_one
                else "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            )
        merged = np.where(matched, values, old_values)
        self._rows[labels] = (merged, old_matched | matched, old_kept | (matched & kept))

    def matrix(self) -> Matrix:
        if not self._rows:
            return empty_matrix(self._steps)
        values = np.stack([row[0] for row in self._rows.values()])
        kept = np.stack([row[2] for row in self._rows.values()])
        return Matrix(tuple(self._rows), values, kept).without_empty()
