from __future__ import annotations

from collections.abc import Callable

import pytest

from lodur.logql.operators import BinaryOp, GroupSide, RangeOp, VectorOp
from lodur.logql.parser import parse_query
from lodur.logql.token_stream import HEIGHT_MAX
from lodur.logql.tree import (
    BinaryOperation,
    Grouping,
    LabelReplace,
    Literal,
    RangeAggregation,
    Variants,
    VectorAggregation,
    VectorLiteral,
    VectorMatching,
)
from lodur.model.errors import QuerySyntaxError, Span


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1+2*3^2^2", 163),
        ("2 - 3 - 4", -5),
        ("-2 ^ 2", 4),
        ("(2 + 3) * 4", 20),
        ("1 > bool 2 + 3", 0),
        ("7 / 2 % 2", 1.5),
        ("1 == 1 == 1", 1),
        ("+5", 5),
    ],
)
def test_numbers_are_computed_at_once(text: str, value: float) -> None:
    assert parse_query(text) == Literal(value)


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("vector(1) + vector(2) * vector(3)", "vector(1) + (vector(2) * vector(3))"),
        ("vector(1) - vector(2) - vector(3)", "(vector(1) - vector(2)) - vector(3)"),
        ("vector(2) ^ vector(3) ^ vector(2)", "vector(2) ^ (vector(3) ^ vector(2))"),
        ("vector(1) or vector(2) and vector(3)", "vector(1) or (vector(2) and vector(3))"),
        ("vector(1) and vector(2) unless vector(3)", "(vector(1) and vector(2)) unless vector(3)"),
        ("vector(1) > vector(2) + vector(3)", "vector(1) > (vector(2) + vector(3))"),
        ("vector(1) + 1 + 1", "(vector(1) + 1) + 1"),
        ("1 + 1 + vector(1)", "2 + vector(1)"),
    ],
)
def test_precedence(text: str, grouped: str) -> None:
    assert parse_query(text) == parse_query(grouped)


def test_modifiers() -> None:
    query = parse_query("vector(1) > bool ignoring (a, b) group_right (c) vector(2)")
    matching = VectorMatching(False, ("a", "b"), GroupSide.RIGHT, ("c",))
    assert query == BinaryOperation(BinaryOp.GREATER, VectorLiteral(1), VectorLiteral(2), matching, True)
    without_list = parse_query("vector(1) + on () group_left vector(2)")
    assert isinstance(without_list, BinaryOperation)
    assert without_list.matching == VectorMatching(True, (), GroupSide.LEFT)


def test_grouping_stands_before_or_behind() -> None:
    before = parse_query('sum by (a, b) (rate({x="y"}[5m]))')
    assert before == parse_query('SUM(rate({x="y"}[5m])) BY (a,b)')
    assert isinstance(before, VectorAggregation)
    assert before.grouping == Grouping(("a", "b"))
    assert before.span == Span(0, 33)


def test_parameters() -> None:
    assert parse_query("topk(3, vector(1))") == VectorAggregation(VectorOp.TOPK, VectorLiteral(1), 3)
    quantile = parse_query('quantile_over_time(0.5, {a="b"} | unwrap x [5m])')
    assert isinstance(quantile, RangeAggregation)
    assert (quantile.op, quantile.parameter) == (RangeOp.QUANTILE_OVER_TIME, 0.5)
    assert parse_query("sum(1 + vector(1))") == VectorAggregation(
        VectorOp.SUM, BinaryOperation(BinaryOp.ADD, Literal(1), VectorLiteral(1))
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("topk(1.5, vector(1))", "parse error : invalid parameter topk(1.5,"),
        ("topk(0, vector(1))", "parse error : invalid parameter (must be greater than 0) topk(0"),
        ("topk(99999999999999999999, vector(1))", "parse error : invalid parameter topk(99999999999999999999,"),
        ("topk(vector(1))", "parse error : parameter required for operation topk"),
        ("sum(5, vector(1))", "parse error : unsupported parameter for operation sum(5,"),
        ("1 and 2", "parse error : unexpected literal for left leg of logical/set binary operation (and): 1.000000"),
        (
            "1e999",
            'parse error : unable to parse literal as a float: strconv.ParseFloat: parsing "1e999": value out of range',
        ),
        (
            "1_000",
            'parse error : unable to parse literal as a float: strconv.ParseFloat: parsing "1_000": invalid syntax',
        ),
        (
            '{a="b"} | json + 1',
            "parse error : unexpected type for left leg of binary operation (+): *syntax.PipelineExpr",
        ),
        ('1 + {a="b"}', "parse error : unexpected type for right leg of binary operation (+): *syntax.MatchersExpr"),
        ('sum({a="b"})', "parse error at line 1, col 12: syntax error: unexpected )"),
    ],
)
def test_refused(text: str, error: str) -> None:
    assert _refusal(text) == error


def test_label_replace() -> None:
    assert parse_query('label_replace(vector(1), "d", "$1", "s", "(.*)")') == LabelReplace(
        VectorLiteral(1), "d", "$1", "s", "(.*)"
    )


def test_variants() -> None:
    query = parse_query('variants(count_over_time({a="b"}[5m]), rate({a="b"}[5m])) of ({a="b"} | json [5m])')
    assert isinstance(query, Variants)
    assert len(query.queries) == 2
    assert str(query.log_range) == '{a="b"} | json[5m]'
    assert "MultiVariantExpr" in str(_refusal('variants(rate({a="b"}[5m])) of ({a="b"}[5m]) + 1'))


@pytest.mark.parametrize(
    ("opening", "leaf", "closing"),
    [
        ("sum(", "vector(1)", ")"),
        ("", "vector(1)", "+vector(1)"),
        ("vector(1)^", "vector(1)", ""),
        ("label_replace(", "vector(1)", ', "a", "b", "c", "d")'),
    ],
)
def test_the_highest_tree_prints_and_parses(opening: str, leaf: str, closing: str) -> None:
    highest = opening * HEIGHT_MAX + leaf + closing * HEIGHT_MAX
    query = parse_query(highest)
    assert parse_query(str(query)) == query
    assert "nested too deeply" in str(_refusal(opening + highest + closing))


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("(", "+vector(1)" * 9 + ")"),
        ("(", "*vector(1)+vector(1)^vector(2)>1)"),
        ("label_replace(vector(1)^vector(1)-vector(1)^", ', "a", "b", "c", "d")'),
    ],
)
def test_chains_within_parentheses_count(opening: str, closing: str) -> None:
    _read_up_to_the_limit(lambda levels: opening * levels + "vector(1)" + closing * levels)


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("(", " and b=1 or c=1, d=1)"), ("(a=1 or ", ", b=1)"), ("(a=1 and b=1 or ", ")"), ("a=1 or b=1, ", "")],
)
def test_label_filters_count(opening: str, closing: str) -> None:
    def rate_of(levels: int) -> str:
        return f'rate({{a="b"}} | {opening * levels} x=1 {closing * levels} [5m])'

    chain = "vector(1)" + "+vector(1)" * (HEIGHT_MAX // 2) + "+"
    _read_up_to_the_limit(rate_of)
    _read_up_to_the_limit(lambda levels: chain + rate_of(levels))


def _read_up_to_the_limit(text_of: Callable[[int], str]) -> None:
    """Deeper and deeper queries print to what parses to the same tree, until they are refused; none breaks."""
    levels = 1
    while (error := _refusal(text_of(levels))) is None:
        query = parse_query(text_of(levels))
        assert parse_query(str(query)) == query
        levels += 1
    assert "nested too deeply" in error
    assert 5 < levels <= HEIGHT_MAX + 1


def _refusal(text: str) -> str | None:
    try:
        parse_query(text)
    except QuerySyntaxError as error:
        return str(error)
    return None


def test_needless_parentheses_are_bounded() -> None:
    assert parse_query("(" * HEIGHT_MAX + "1" + ")" * HEIGHT_MAX) == Literal(1)
    assert "nested too deeply" in str(_refusal("(" * 1000 + "1" + ")" * 1000))
