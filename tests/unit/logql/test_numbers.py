from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.logql.numbers import format_number
from lodur.logql.parser import parse_query
from lodur.logql.tree import Literal


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.5, "-0.5"),
        (1e6, "1000000"),
        (1e300, "1e+300"),
        (1e-9, "1e-09"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_shortest_text(value: float, text: str) -> None:
    assert format_number(value) == text


@given(st.floats(allow_nan=False))
def test_reads_back(value: float) -> None:
    assert parse_query(format_number(value)) == Literal(value)


def test_nan_reads_back() -> None:
    query = parse_query(format_number(math.nan))
    assert isinstance(query, Literal)
    assert math.isnan(query.value)
