from __future__ import annotations

import pytest
from hypothesis import given

from lodur.model.label_set import LabelSet
from tests.strategies import label_sets


def test_sorted_by_name_whatever_the_order_given() -> None:
    assert LabelSet.of({"b": "1", "a": "2"}) == LabelSet.of([("a", "2"), ("b", "1")])
    assert LabelSet.of({"b": "1", "a": "2"}).names() == ("a", "b")


def test_prints_in_prometheus_text_form() -> None:
    assert str(LabelSet.of({"c": 'x"y\n', "a": "b"})) == r'{a="b", c="x\"y\n"}'
    assert str(LabelSet()) == "{}"


def test_a_name_may_occur_once() -> None:
    with pytest.raises(ValueError, match='"a" occurs twice'):
        LabelSet.of([("a", "1"), ("b", "2"), ("a", "3")])


def test_an_absent_label_is_empty() -> None:
    labels = LabelSet.of({"a": "1"})
    assert labels.get("a") == "1"
    assert labels.get("b") == ""
    assert "a" in labels
    assert "b" not in labels
    assert len(labels) == 1


@given(label_sets)
def test_building_again_changes_nothing(labels: LabelSet) -> None:
    assert LabelSet.of(dict(labels)) == labels
    assert hash(LabelSet.of(dict(labels))) == hash(labels)
