"""`label_replace`: a label made of another by a regular expression."""

from __future__ import annotations

from lodur.kernels.relabel import replace_values
from lodur.model.label_set import LabelSet
from lodur.query.evaluate.matrix import Matrix

__all__ = ["replace_label", "replace_values"]


def replace_label(matrix: Matrix, *, target: str, replacement: str, source: str, regexp: str) -> Matrix:
    """Set `target` to the filled-in `replacement` where `regexp` matches all of `source`; an empty value removes it.

    Several series may end with the same labels. InvalidRequest where the expression does not compile.
    """
    replaced = replace_values([labels.get(source) for labels in matrix.labels], regexp, replacement)
    return matrix.with_labels(
        labels if value is None else _with_label(labels, target, value)
        for labels, value in zip(matrix.labels, replaced, strict=True)
    )


def _with_label(labels: LabelSet, name: str, value: str) -> LabelSet:
    pairs = [pair for pair in labels if pair[0] != name]
    return LabelSet.of([*pairs, (name, value)] if value else pairs)
