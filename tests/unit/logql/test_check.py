from __future__ import annotations

import pytest

from lodur.logql.operators import RangeOp
from lodur.logql.parser import parse_query
from lodur.model.errors import QuerySyntaxError

_NO_UNWRAP = {"count_over_time", "bytes_over_time", "bytes_rate"}
_EITHER = {"rate", "absent_over_time"}
_GROUPED = {f"{name}_over_time" for name in ("avg", "min", "max", "first", "last", "stddev", "stdvar", "quantile")}


def _refusal(text: str) -> str | None:
    try:
        parse_query(text)
    except QuerySyntaxError as error:
        return str(error).removeprefix("parse error : ")
    return None


def _call(op: RangeOp, pipeline: str = "", grouping: str = "") -> str:
    parameter = "0.5, " if op is RangeOp.QUANTILE_OVER_TIME else ""
    return f'{op.value}({parameter}{{a="b"}}{pipeline}[5m]){grouping}'


@pytest.mark.parametrize("op", RangeOp)
def test_which_functions_unwrap(op: RangeOp) -> None:
    without = f"invalid aggregation {op.value} without unwrap"
    with_unwrap = f"invalid aggregation {op.value} with unwrap"
    assert _refusal(_call(op)) == (None if op.value in _NO_UNWRAP | _EITHER else without)
    assert _refusal(_call(op, " | unwrap x")) == (with_unwrap if op.value in _NO_UNWRAP else None)


@pytest.mark.parametrize("op", RangeOp)
def test_which_functions_group(op: RangeOp) -> None:
    pipeline = "" if op.value in _NO_UNWRAP else " | unwrap x"
    refused = f"grouping not allowed for {op.value} aggregation"
    assert _refusal(_call(op, pipeline, " by (y)")) == (None if op.value in _GROUPED else refused)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('quantile_over_time({a="b"} | unwrap x [5m])', "parameter required for operation quantile_over_time"),
        ('sum_over_time(0.5, {a="b"} | unwrap x [5m])', "parameter 0.5 not supported for operation sum_over_time"),
        ("sort by (x) (vector(1))", "sort and sort_desc doesn't allow grouping by "),
        ("approx_topk by (x) (1, vector(1))", "grouping not allowed for approx_topk aggregation"),
        (
            'label_replace(vector(1), "a", "b", "c", "(")',
            "invalid regex in label_replace: error parsing regexp: missing closing ): `^(?:()$`",
        ),
    ],
)
def test_other_rules(text: str, error: str) -> None:
    assert _refusal(text) == error


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "rate({}[5m])",
        "sum(rate({}[5m]))",
        "vector(1) + rate({}[5m])",
        "rate({}[5m]) + vector(1)",
        'label_replace(rate({}[5m]), "a", "b", "c", "d")',
        'variants(rate({}[5m])) of ({a="b"}[5m])',
        'variants(rate({a="b"}[5m])) of ({}[5m])',
    ],
)
def test_rules_hold_everywhere(text: str) -> None:
    assert str(_refusal(text)).startswith("queries require at least one regexp or equality matcher")


@pytest.mark.parametrize("selector", ['{a="b"}', '{a=~".+"}', '{a=~".*b"}', '{a=~"b|c"}', '{a!=""}', '{a!="b", c="d"}'])
def test_selectors_that_choose(selector: str) -> None:
    assert _refusal(selector) is None


@pytest.mark.parametrize("selector", ["{}", '{a=""}', '{a!="b"}', '{a=~".*"}', '{a=~"|b"}', '{a!~".+"}'])
def test_selectors_that_do_not(selector: str) -> None:
    assert _refusal(selector) is not None
