"""Matchers held against one label set: for the few decisions that are not made over whole segments."""

from __future__ import annotations

from collections.abc import Iterable

from lodur.kernels.relabel import replace_values
from lodur.model.label_set import LabelSet
from lodur.model.matcher import Matcher


def accepts(matcher: Matcher, value: str) -> bool:
    """Whether a label's value passes; empty where there is no such label."""
    if matcher.op.is_regexp:
        (replaced,) = replace_values([value], matcher.value, "")
        is_found = replaced is not None
    else:
        is_found = matcher.value == value
    return is_found is not matcher.op.is_negative


def accepts_all(matchers: Iterable[Matcher], labels: LabelSet) -> bool:
    """Whether a label set passes all matchers."""
    return all(accepts(matcher, labels.get(matcher.name)) for matcher in matchers)
