"""What a refused query probably meant; a hint never gets in the way of the error itself."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.logql.hints import hint_for
from lodur.logql.parser import parse_query
from lodur.model.errors import QuerySyntaxError

_QUERIES = (Path(__file__).parents[2] / "spec" / "logql" / "identity.txt").read_text("utf-8").splitlines()


def _hint(text: str) -> str | None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_query(text)
    return hint_for(refused.value)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("", "begin with a selector"),
        ("hello", "begin with a selector"),
        ('{app="shop', "this quote opens a text that does not end"),
        ('{app="shop} |= "x"', 'is a closing quote missing? The text before this is "shop} |= "'),
        ("{app='shop'}", "texts stand in double quotes or backquotes"),
        ("{app=shop}", 'a text needs quotes: app="shop"'),
        ("{app=5}", 'a text needs quotes: app="5"'),
        ('{app="shop"', "the { in column 1 is not closed: add }"),
        ('{"app"="x"}', "the name of a label has no quotes: app="),
        ('{app:"x"}', "a matcher has an equals sign: app="),
        ('{app.name="x"}', "names of labels hold letters, digits and _ alone"),
        ('{a="b",}', "leave the last comma out"),
        ("{a}", 'say which value: a="value"'),
        ('{json="x"}', "'json' is a word of the language"),
        ('{a="b" c="d"}', "put a comma between matchers"),
        ('{a="b" |= "x"', "close the selector first, with }"),
        ('{a=="b"}', "a matcher has a single ="),
        ('{a=~".*"}', "ask for a label that must be there"),
        ('{a="b"} = "x"', "a line filter has a bar: |="),
        ('{a="b"} ~ "x"', "a line filter has a bar: |~"),
        ('{a="b"} | = "x"', "the operator is written without a blank: |="),
        ('{a="b"} |! "x"', "to leave lines out, write !="),
        ('{a="b"} | "x"', "to search lines for a text, write |="),
        ('{a="b"} "x"', "to search lines for a text, write |="),
        ('{a="b"} |= x', "the text behind |= needs quotes"),
        ('{a="b"} |~ "(?!x)"', "regular expressions (RE2) cannot look around"),
        ('{a="b"} |~ "\\d"', "double the backslash, or put the text in backquotes: `\\d+`"),
        ('{a="b"} json', "a stage begins with a bar: | json"),
        ('{a="b"} level="x"', "a stage begins with a bar: | level"),
        ('{a="b"} | jsn | x="y"', "there is no stage 'jsn': did you mean 'json'?"),
        ('{a="b"} | line_fmt "x"', "there is no stage 'line_fmt': did you mean 'line_format'?"),
        ('{a="b"} | level', 'compare the label, as in level="value"; the stages are json, '),
        ('{a="b"} | json | status == "x"', 'texts are compared by a single =: status="x"'),
        ('{a="b"} | json | status > "5"', "only numbers can be compared by >"),
        ('{a="b"} | json | level = error', 'a text needs quotes: level="error"'),
        ('{a="b"} | size > 5kb', "units are written B, KB, MB"),
        ('{a="b"} | unwrap x', "unwrap makes numbers, for a function"),
        ('rate({a="b"})', "a window is missing: rate({…}[5m])"),
        ('avg_over_time({a="b"} | unwrap x)', "a window is missing: avg_over_time({…}[5m])"),
        ('sum({a="b"})', "sum works on numbers: count the entries first"),
        ('{a="b"}[5m]', "a window stands in a function: rate({…}[5m])"),
        ('rate({a="b"}[5])', "a window needs a unit: [5s], [5m]"),
        ('rate({a="b"}[1.5h])', "a window is written in whole units"),
        ('rate({a="b"}[$__auto])', "Grafana fills in its variables itself"),
        ('rate({a="b"}[5m', "close the window: [5m]"),
        ('rate({a="b"}[5m]) offset 5m', "an offset stands behind the window: rate({…}[5m] offset 5m)"),
        ('sum(rate({a="b"}[5m])', "the ( in column 4 is not closed: add )"),
        ('sum(\nrate({a="b"}[5m]', "the ( in column 5 is not closed: add )"),
        ('rate({a="b"}[5m]))', "nothing is open here that ) could close"),
        ('count_over_tme({a="b"}[5m])', "there is no function 'count_over_tme': did you mean 'count_over_time'?"),
        ('increase({a="b"}[5m])', "there is no function 'increase' in LogQL: use count_over_time"),
        ('xyzzy({a="b"}[5m])', "there is no function 'xyzzy'"),
        ('sum by x (rate({a="b"}[5m]))', "labels stand in parentheses: sum by (label)"),
        ('sum(rate({a="b"}[5m])) by x', "labels stand in parentheses: by (x)"),
        ('sum by (a.b) (rate({a="b"}[5m]))', "names of labels hold letters, digits and _ alone"),
        ('sum_over_time({a="b"}[5m])', "name the label that holds the number: | unwrap took"),
        ('count_over_time({a="b"} | unwrap x [5m])', "count_over_time counts entries: leave | unwrap out"),
        ('quantile_over_time({a="b"} | unwrap x [5m])', "say which quantile"),
        ('topk(rate({a="b"}[5m]))', "say how many: topk(5, …)"),
        ('rate({a="b"}[5m]) by (x)', "group around it: sum by (app) (rate(…))"),
        ('{a="b"} + 1', "only numbers can be joined"),
        ('rate({a="b"}[5m]) or 1', "or joins series: write vector(1)"),
    ],
)
def test_says_what_was_meant(query: str, hint: str) -> None:
    found = _hint(query)
    assert found is not None
    assert found.startswith(hint)


def test_nothing_is_said_where_nothing_is_obvious() -> None:
    assert _hint('{a="b"} != "x" y') is None


@given(st.sampled_from(_QUERIES), st.integers(0, 200), st.text(string.punctuation + "ab5 \n", max_size=4))
def test_any_refusal_can_be_asked(query: str, start: int, patch: str) -> None:
    damaged = query[:start] + patch + query[start + 2 :]
    try:
        parse_query(damaged)
    except QuerySyntaxError as error:
        hint = hint_for(error)
        assert hint is None or hint
