"""Operators between two matrices: which series belong together, and what the result is called.

Matching is judged step by step: two series of one side may share a signature as long as they have no sample at the
same step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from lodur.kernels.scan import Cancel
from lodur.model.errors import InvalidRequest
from lodur.model.label_set import LabelSet
from lodur.query.evaluate.arithmetic import NumberOp, combine
from lodur.query.evaluate.grouping import Grouping, GroupRows, group_rows
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
        """The labels of the series made of these two, one of which may match many."""
        if not self.include:
            return many
        taken = {name: one.get(name) for name in self.include}
        pairs = [pair for pair in many if pair[0] not in taken]
        return LabelSet.of([*pairs, *((name, value) for name, value in taken.items() if value)])


PAIR_CELLS = 2**18
"""Samples of each side that are combined at once."""


def match_and_combine(
    op: NumberOp,
    left: Matrix,
    right: Matrix,
    matching: Matching,
    *,
    as_number: bool,
    cancel: Cancel | None = None,
    group: GroupRows = group_rows,
) -> Matrix:
    """`left op right` over the series that belong together. Raises MatchingConflict."""
    swapped = matching.many is ManySide.RIGHT
    many, one = (right, left) if swapped else (left, right)
    by_signature, signatures = group(one.labels, matching.grouping), group(many.labels, matching.grouping)
    rows_of = np.split(by_signature.order, by_signature.starts[1:])
    _refuse_duplicates(one, rows_of, side="left" if swapped else "right")
    joined = _Joined(many.steps, many_to_one=matching.many is not None)
    pairs = (
        (row, other)
        for row, number in enumerate(by_signature.same_as(signatures).tolist())
        if number >= 0
        for other in rows_of[number].tolist()
    )
    for some in _batches(pairs, max(1, PAIR_CELLS // max(1, many.steps))):
        if cancel is not None:
            cancel.check()
        rows, others = np.array(some, dtype=np.intp).T
        both = many.present[rows] & one.present[others]
        met = both.any(axis=1)
        rows, others, both = rows[met], others[met], both[met]
        sides = (many.values[rows], one.values[others])
        values, kept = combine(op, *(reversed(sides) if swapped else sides), as_number=as_number)
        labels = [
            signatures.labels[signatures.of_row[row]]
            if matching.many is None
            else matching.result_labels(many.labels[row], one.labels[other])
            for row, other in zip(rows.tolist(), others.tolist(), strict=True)
        ]
        joined.add(labels, values, both, both & kept)
    return joined.matrix()


def _batches(pairs: Iterator[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    while some := list(islice(pairs, size)):
        yield some


def _refuse_duplicates(matrix: Matrix, groups: Sequence[NDArray[np.intp]], *, side: str) -> None:
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
        self._rows: dict[LabelSet, int] = {}
        self._parts: list[tuple[Floats, Bools, Bools]] = []

    def add(self, labels: Sequence[LabelSet], values: Floats, matched: Bools, kept: Bools) -> None:
        """Add the samples of pairs: `matched` where both sides have one, `kept` where the operator left one."""
        values = np.require(values, requirements="W")
        new = [number for number, one in enumerate(labels) if self._place(one)]
        if len(new) == len(labels):
            self._parts.append((values, matched, kept))
            return
        self._parts.append((values[new].copy(), matched[new].copy(), kept[new].copy()))
        for number in sorted(set(range(len(labels))).difference(new)):
            self._merge(self._rows[labels[number]], values[number], matched[number], kept[number])

    def _place(self, labels: LabelSet) -> bool:
        """Give labels that are new the next row."""
        row = len(self._rows)
        return self._rows.setdefault(labels, row) == row

    def _merge(self, row: int, values: Floats, matched: Bools, kept: Bools) -> None:
        """Add samples to a row that has some already."""
        part = 0
        while row >= len(self._parts[part][0]):
            row -= len(self._parts[part][0])
            part += 1
        old_values, old_matched, old_kept = (array[row] for array in self._parts[part])
        if (old_matched & matched).any():
            raise MatchingConflict(
                "multiple matches for labels: grouping labels must ensure unique matches"
                if self._many_to_one
                else "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            )
        old_values[matched] = values[matched]
        old_kept |= kept
        old_matched |= matched

    def matrix(self) -> Matrix:
        if not self._rows:
            return empty_matrix(self._steps)
        values = np.concatenate([part[0] for part in self._parts])
        kept = np.concatenate([part[2] for part in self._parts])
        return Matrix(tuple(self._rows), values, kept).without_empty()
