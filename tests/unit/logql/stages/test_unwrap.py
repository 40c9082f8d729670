from __future__ import annotations

import pytest

from lodur.logql.parser import parse_query
from lodur.logql.stages.label_filter import CompareOp, LabelFilter, NumberPredicate, StringPredicate
from lodur.logql.stages.unwrap import Unwrap, UnwrapConversion
from lodur.logql.tree import RangeAggregation
from lodur.model.errors import QuerySyntaxError
from lodur.model.matcher import Matcher, MatchOp


@pytest.mark.parametrize(
    ("text", "unwrap"),
    [
        ("unwrap x", Unwrap("x")),
        ("unwrap bytes", Unwrap("bytes")),
        ("unwrap BYTES (x)", Unwrap("x", UnwrapConversion.BYTES)),
        ("unwrap duration(x)", Unwrap("x", UnwrapConversion.DURATION)),
        ("unwrap duration_seconds(duration)", Unwrap("duration", UnwrapConversion.DURATION_SECONDS)),
        (
            'unwrap x | __error__="" | y > 1',
            Unwrap(
                "x",
                filters=(
                    LabelFilter(StringPredicate(Matcher("__error__", MatchOp.EQUAL, ""))),
                    LabelFilter(NumberPredicate("y", CompareOp.GREATER, 1)),
                ),
            ),
        ),
    ],
)
def test_conversions_and_filters(text: str, unwrap: Unwrap) -> None:
    query = parse_query(f'sum_over_time({{a="b"}} | {text} [5m])')
    assert isinstance(query, RangeAggregation)
    assert query.log_range.unwrap == unwrap


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unwrap", "RANGE, expecting IDENTIFIER or BYTES_CONV or DURATION_CONV or DURATION_SECONDS_CONV"),
        ("unwrap duration()", "), expecting IDENTIFIER"),
        ("unwrap x | json", "json, expecting IDENTIFIER or ("),
        ("unwrap x | unwrap y", "unwrap, expecting IDENTIFIER or ("),
        ('unwrap x |= "y"', "|=, expecting RANGE or |"),
    ],
)
def test_refused(text: str, expected: str) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_query(f'sum_over_time({{a="b"}} | {text} [5m])')
    assert str(refused.value).endswith(f"syntax error: unexpected {expected}")
