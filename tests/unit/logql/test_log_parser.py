from __future__ import annotations

import pytest

from lodur.logql.parser import parse_query
from lodur.logql.stages.json_parser import JsonParser
from lodur.logql.stages.unwrap import Unwrap
from lodur.logql.tree import LogRange, RangeAggregation
from lodur.model.durations import NS_PER_MINUTE
from lodur.model.errors import QuerySyntaxError, Span


def _range(text: str) -> LogRange:
    query = parse_query(text)
    assert isinstance(query, RangeAggregation)
    return query.log_range


@pytest.mark.parametrize(
    "body",
    [
        '{a="b"} | json | unwrap x [5m] offset 1m',
        '{a="b"} [5m] offset 1m | json | unwrap x',
        '({a="b"} | json | unwrap x) [5m] offset 1m',
        '({a="b"} | json | unwrap x [5m] offset 1m)',
        '(({a="b"} | json | unwrap x) [5m] offset 1m)',
    ],
)
def test_every_order_means_the_same(body: str) -> None:
    log_range = _range(f"sum_over_time({body})")
    assert log_range.stages == (JsonParser(),)
    assert log_range.unwrap == Unwrap("x")
    assert (log_range.range_ns, log_range.offset_ns) == (5 * NS_PER_MINUTE, NS_PER_MINUTE)


def test_a_parenthesised_selector_may_be_unwrapped_behind_its_brackets() -> None:
    assert _range('sum_over_time(({a="b"}) [5m] | unwrap x)').unwrap == Unwrap("x")


def test_pipeline_directly_before_the_brackets() -> None:
    assert str(_range('count_over_time({a="b"} | drop __error__[5m])')) == '{a="b"} | drop __error__[5m]'


def test_the_window_knows_its_place() -> None:
    assert _range('rate( {a="b"}[5m] offset -1m )').span == Span(6, 28)
    assert _range('rate({a="b"}[5m] offset -1m)').offset_ns == -NS_PER_MINUTE


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('rate({a="b"})', "line 1, col 13: syntax error: unexpected )"),
        ('rate(({a="b"}))', "line 1, col 15: syntax error: unexpected )"),
        ('rate({a="b"} | json [5m] | json)', "line 1, col 26: syntax error: unexpected |, expecting )"),
        ('rate({a="b"}[5m] offset)', "line 1, col 24: syntax error: unexpected ), expecting DURATION"),
        ('rate({a="b"}[5m][5m])', "line 0, col 17: syntax error: unexpected RANGE, expecting )"),
        ('rate(({a="b"}) [5m] | json)', "line 1, col 23: syntax error: unexpected json, expecting unwrap"),
        ('{a="b"} | unwrap x', "line 1, col 11: syntax error: unexpected unwrap"),
        (
            'rate({a="b"} | unwrap x y [5m])',
            "line 1, col 25: syntax error: unexpected IDENTIFIER, expecting RANGE or |",
        ),
    ],
)
def test_refused(text: str, error: str) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_query(text)
    assert str(refused.value) == f"parse error at {error}"
