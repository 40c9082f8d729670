"""Grouping of series by some of their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lodur.model.label_set import LabelSet


@dataclass(frozen=True, slots=True)
class Grouping:
    """Series that agree in `names` fall into one group; where `without`, those that agree in all other labels."""

    names: frozenset[str] = frozenset()
    without: bool = False

    def key(self, labels: LabelSet) -> LabelSet:
        """The labels of the group of a series."""
        return LabelSet(tuple(pair for pair in labels if (pair[0] in self.names) is not self.without))


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Rows sorted by group: those of group `g` are `order[starts[g]:starts[g + 1]]`."""

    labels: tuple[LabelSet, ...]
    of_row: NDArray[np.intp]
    order: NDArray[np.intp]
    starts: NDArray[np.intp]

    def same_as(self, others: Groups) -> NDArray[np.intp]:
        """For each row of the others the group here that has the labels of its group; -1 where none has."""
        numbers = {labels: number for number, labels in enumerate(self.labels)}
        found = np.fromiter((numbers.get(one, -1) for one in others.labels), dtype=np.intp, count=len(others.labels))
        return found[others.of_row]


GroupRows: TypeAlias = Callable[[Sequence[LabelSet], Grouping], Groups]
"""`group_rows`, or one that remembers what it said of the same series before."""


def group_rows(labels: Sequence[LabelSet], grouping: Grouping) -> Groups:
    """Distribute rows over their groups; rows of a group keep their order."""
    numbers: dict[LabelSet, int] = {}
    of_row = np.fromiter(
        (numbers.setdefault(grouping.key(one), len(numbers)) for one in labels), dtype=np.intp, count=len(labels)
    )
    order = np.argsort(of_row, kind="stable")
    starts = np.searchsorted(of_row[order], np.arange(len(numbers)))
    return Groups(tuple(numbers), of_row, order, starts)
