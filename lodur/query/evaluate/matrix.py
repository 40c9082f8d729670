"""`Matrix`: series by steps, the value that every metric operation takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lodur.model.label_set import LabelSet

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CELLS_AT_ONCE = 2**20
"""Samples that are copied in one go: some ten milliseconds, most of which the memory's first touch takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """`values[i, k]` is the sample of series `labels[i]` at step `k`; it counts only where `present[i, k]`.

    `ordered` says that the order of the series is part of the answer.
    """

    labels: tuple[LabelSet, ...]
    values: Floats
    present: Bools
    ordered: bool = False

    @property
    def steps(self) -> int:
        return int(self.values.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of the samples."""
        return self.values.nbytes + self.present.nbytes

    def between(self, first: int, end: int) -> Matrix:
        """The samples of these steps; the series stay, even those without any."""
        return Matrix(self.labels, self.values[:, first:end], self.present[:, first:end], self.ordered)

    def select(self, rows: Sequence[int]) -> Matrix:
        """The matrix of these rows, in this order."""
        picked = np.asarray(rows, dtype=np.intp)
        labels = tuple(self.labels[row] for row in rows)
        return Matrix(labels, self.values[picked], self.present[picked], self.ordered)

    def without_empty(self) -> Matrix:
        """The same without the series that have no sample at all."""
        kept = self.present.any(axis=1)
        if kept.all():
            return self
        return self.select(np.flatnonzero(kept).tolist())

    def with_samples(self, values: Floats, present: Bools) -> Matrix:
        """The same series with other samples; those left without any are dropped."""
        return Matrix(self.labels, values, present, self.ordered).without_empty()

    def with_labels(self, labels: Iterable[LabelSet]) -> Matrix:
        """The same samples under other labels."""
        return Matrix(tuple(labels), self.values, self.present, self.ordered)

    def sorted_by_labels(self, check: Callable[[], None] = lambda: None) -> Matrix:
        """The series in the order of their labels, as answers list them.

        `check` is called every now and then and may raise.
        """
        if self.ordered:
            return self
        rows = sorted(range(len(self.labels)), key=lambda row: self.labels[row].pairs)
        if all(row == place for place, row in enumerate(rows)):
            return self
        picked = np.array(rows, dtype=np.intp)
        values, present = np.empty_like(self.values), np.empty_like(self.present)
        for some in _stretches(len(rows), self.steps):
            check()
            values[some], present[some] = self.values[picked[some]], self.present[picked[some]]
        return Matrix(tuple(self.labels[row] for row in rows), values, present)


def empty_matrix(steps: int) -> Matrix:
    """No series."""
    return Matrix((), np.empty((0, steps)), np.empty((0, steps), dtype=np.bool_))


def constant_matrix(value: float, steps: int) -> Matrix:
    """One series without labels that has `value` at every step."""
    return Matrix((LabelSet(),), np.full((1, steps), value), np.ones((1, steps), dtype=np.bool_))


def stack(parts: Sequence[Matrix], steps: int) -> Matrix:
    """All series of `parts`, which may repeat labels."""
    if not parts:
        return empty_matrix(steps)
    labels = tuple(labels for part in parts for labels in part.labels)
    values = np.concatenate([part.values for part in parts])
    return Matrix(labels, values, np.concatenate([part.present for part in parts]))


def beside(parts: Sequence[Matrix], check: Callable[[], None] = lambda: None) -> Matrix:
    """The steps of all parts (one at least) one after the other; a series has samples where its part has them.

    `check` is called between parts and may raise.
    """
    if len(parts) == 1:
        return parts[0]
    rows: dict[LabelSet, int] = {}
    for part in parts:
        check()
        for labels in part.labels:
            rows.setdefault(labels, len(rows))
    shape = (len(rows), sum(part.steps for part in parts))
    values, present = np.empty(shape), np.empty(shape, dtype=np.bool_)
    for some in _stretches(*shape):
        check()
        values[some], present[some] = 0, False
    at = 0
    for part in parts:
        check()
        picked = np.fromiter((rows[labels] for labels in part.labels), dtype=np.intp, count=len(part.labels))
        values[picked, at : at + part.steps] = part.values
        present[picked, at : at + part.steps] = part.present
        at += part.steps
    return Matrix(tuple(rows), values, present)


def _stretches(rows: int, steps: int) -> Iterator[slice]:
    """The rows in pieces that hold about `CELLS_AT_ONCE` samples."""
    at_once = max(1, CELLS_AT_ONCE // max(1, steps))
    for first in range(0, rows, at_once):
        yield slice(first, min(first + at_once, rows))
