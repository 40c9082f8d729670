"""A tree prints to text that parses to the same tree, and any text at all is either a query or a QuerySyntaxError."""

from __future__ import annotations

import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.logql.operators import RangeOp
from lodur.logql.parser import parse_query
from lodur.logql.pretty import format_query
from lodur.logql.selector import Selector
from lodur.logql.tokens import AGGREGATIONS, CALLS, KEYWORDS, OPERATORS
from lodur.logql.tree import (
    BinaryOperation,
    LabelReplace,
    Literal,
    LogRange,
    MetricQuery,
    Query,
    RangeAggregation,
    VectorAggregation,
)
from lodur.model.durations import NS_PER_MINUTE
from lodur.model.errors import QuerySyntaxError
from lodur.model.matcher import Matcher, MatchOp
from tests.strategies import metric_queries, queries

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


@given(queries)
def test_formatting_keeps_the_query_and_is_stable(query: Query) -> None:
    formatted = format_query(query)
    assert parse_query(formatted) == query
    assert format_query(parse_query(formatted)) == formatted


@given(metric_queries)
def test_a_query_broken_at_every_operator_keeps_its_meaning(query: MetricQuery) -> None:
    """Long labels break every operation over lines, where nothing but precedence keeps it together."""
    long = RangeAggregation(
        RangeOp.RATE, LogRange(Selector((Matcher("a" * 60, MatchOp.EQUAL, "b" * 60),)), NS_PER_MINUTE)
    )
    widened = _with_leaves(query, long)
    formatted = format_query(widened)
    assert parse_query(formatted) == widened
    assert format_query(parse_query(formatted)) == formatted


def _with_leaves(query: MetricQuery, leaf: RangeAggregation) -> MetricQuery:
    """`query` with every range aggregation and vector literal replaced."""
    match query:
        case BinaryOperation():
            return replace(query, left=_with_leaves(query.left, leaf), right=_with_leaves(query.right, leaf))
        case VectorAggregation() | LabelReplace():
            return replace(query, operand=_with_leaves(query.operand, leaf))
        case Literal():
            return query
        case _:
            return leaf


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
