"""Random matrices for properties of the evaluator: few labels, so that groups and matches are common."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from lodur.model.label_set import LabelSet
from lodur.query.evaluate.grouping import Grouping
from lodur.query.evaluate.matrix import Matrix

NAMES = ("a", "b", "c")
STEPS_MAX = 3

label_sets = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(("x", "y")), max_size=3).map(LabelSet.of)
sample_values = st.one_of(
    st.sampled_from((0.0, 1.0, -1.0, 2.5, float("nan"), float("inf"), float("-inf"))),
    st.integers(-5, 5).map(float),
)
groupings = st.builds(Grouping, st.frozensets(st.sampled_from(NAMES)), st.booleans())


@st.composite
def matrices(draw: st.DrawFn, steps: int) -> Matrix:
    labels = tuple(draw(st.lists(label_sets, unique=True, max_size=6)))
    cells = len(labels) * steps
    values = draw(st.lists(sample_values, min_size=cells, max_size=cells))
    present = draw(st.lists(st.booleans(), min_size=cells, max_size=cells))
    shape = (len(labels), steps)
    flags = np.array(present, dtype=np.bool_).reshape(shape)
    return Matrix(labels, np.array(values, dtype=np.float64).reshape(shape), flags)


steps = st.integers(1, STEPS_MAX)
any_matrix = steps.flatmap(matrices)
matrix_pairs = steps.flatmap(lambda count: st.tuples(matrices(count), matrices(count)))
