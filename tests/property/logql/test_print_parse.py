"""A tree prints to text that parses to the same tree, and any text at all is either a query or a QuerySyntaxError."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.logql.parser import parse_query
from lodur.logql.tokens import AGGREGATIONS, CALLS, KEYWORDS, OPERATORS
from lodur.logql.tree import Query
from lodur.model.errors import QuerySyntaxError
from tests.strategies import queries

_IDENTITY = (Path(__file__).parents[2] / "spec" / "logql" / "identity.txt").read_text("utf-8").splitlines()
_WORDS = [
    *KEYWORDS,
    *OPERATORS,
    *CALLS,
    *AGGREGATIONS,
    "x",
    '"t"',
    "`(`",
    "5",
    "5m",
    "[5m]",
    "1KB",
    "--strict",
    '{a="b"}',
]


@given(queries)
def test_printed_tree_parses_to_itself(query: Query) -> None:
    assert parse_query(str(query)) == query


@given(queries)
def test_printing_is_stable(query: Query) -> None:
    assert str(parse_query(str(query))) == str(query)


@given(st.text(max_size=60))
def test_any_text_is_a_query_or_refused(text: str) -> None:
    _accept_or_refuse(text)


@given(st.lists(st.sampled_from(_WORDS), max_size=25))
def test_any_words_are_a_query_or_refused(words: list[str]) -> None:
    _accept_or_refuse(" ".join(words))


@given(st.sampled_from(_IDENTITY), st.data())
def test_a_damaged_query_is_a_query_or_refused(query: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(query)))
    end = data.draw(st.integers(start, min(len(query), start + 5)))
    patch = data.draw(st.text(string.printable, max_size=4) | st.sampled_from(_WORDS))
    _accept_or_refuse(query[:start] + patch + query[end:])


@given(queries, st.data())
def test_a_cut_query_is_a_query_or_refused(query: Query, data: st.DataObject) -> None:
    text = str(query)
    _accept_or_refuse(text[: data.draw(st.integers(0, len(text)))])


@pytest.mark.parametrize(
    "part",
    [
        "(",
        "sum(",
        "rate(",
        "rate((",
        "1+",
        "2^",
        "vector(1)+",
        '{a="b"}|(',
        '{a="b"}|a=1 or b=1,',
        "variants(",
        "label_replace(",
    ],
)
def test_deep_nesting_is_refused_not_fatal(part: str) -> None:
    _accept_or_refuse(part * (100_000 // len(part)))


def _accept_or_refuse(text: str) -> None:
    error = _error(text)
    if error is None:
        query = parse_query(text)
        assert parse_query(str(query)) == query
        return
    assert str(error)
    assert error.span is None or 0 <= error.span.start <= error.span.end <= len(text) + 1
    assert ("^" in error.caret()) is (error.span is not None)


def _error(text: str) -> QuerySyntaxError | None:
    try:
        parse_query(text)
    except QuerySyntaxError as error:
        return error
    return None
