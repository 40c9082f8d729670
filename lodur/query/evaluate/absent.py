"""The negation of presence: a series where there is none."""

from __future__ import annotations

import numpy as np

from lodur.model.label_set import LabelSet
from lodur.query.evaluate.matrix import Matrix


def absent(matrix: Matrix, labels: LabelSet) -> Matrix:
    """One series of these labels with the value 1 at the steps where no series has a sample."""
    missing = np.logical_not(np.any(matrix.present, axis=0)).reshape(1, matrix.steps)
    return Matrix((labels,), np.ones(missing.shape), missing).without_empty()
