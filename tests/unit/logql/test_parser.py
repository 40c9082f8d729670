from __future__ import annotations

import pytest

from lodur.logql.parser import (
    QUERY_BYTES_MAX,
    parse_log_query,
    parse_query,
    parse_selector,
    parse_series_selectors,
    parse_tree,
)
from lodur.logql.selector import Selector
from lodur.logql.tree import LogQuery
from lodur.model.errors import QuerySyntaxError, Span
from lodur.model.matcher import Matcher, MatchOp

_A = Selector((Matcher("a", MatchOp.EQUAL, "b"),))


def _error(text: str) -> QuerySyntaxError:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_query(text)
    return refused.value


def test_blanks_newlines_and_comments_are_free() -> None:
    assert parse_query('# first\n{ a\t=\r\n"b" } # last') == LogQuery(_A)


def test_longest_query() -> None:
    fits = '{a="b"}' + " " * (QUERY_BYTES_MAX - 7)
    assert parse_query(fits) == LogQuery(_A)
    assert str(_error(fits + " ")) == "parse error : input size too long (131073 > 131072)"
    assert str(_error("é" * 65537)) == "parse error : input size too long (131074 > 131072)"


def test_the_place_of_an_error() -> None:
    error = _error('{a="b"}\n  | json\n  | =')
    assert str(error) == "parse error at line 3, col 5: syntax error: unexpected ="
    assert error.span == Span(21, 22)
    assert error.caret() == "  | =\n    ^"


def test_columns_count_characters() -> None:
    assert (
        str(_error('{é="ü" x}'))
        == "parse error at line 1, col 8: syntax error: unexpected IDENTIFIER, expecting } or ,"
    )


def test_words_of_several_characters_have_no_line() -> None:
    assert str(_error('{a=="b"}')).startswith("parse error at line 0, col 3:")
    assert str(_error('{a="b"}[5m]')).startswith("parse error at line 0, col 8:")


def test_unknown_characters_are_named() -> None:
    assert str(_error('{@="b"}')) == "parse error at line 1, col 2: syntax error: unexpected character '@'"
    assert str(_error('{a="b"} ?')) == "parse error at line 1, col 9: syntax error: unexpected IDENTIFIER"


def test_text_that_is_no_text() -> None:
    assert str(_error('{a="\udcff"}')) == "parse error at line 1, col 5: invalid UTF-8 encoding"


@pytest.mark.parametrize("text", ['{a="b"} | json', 'rate({a="b"}[5m])', "1"])
def test_selectors_alone(text: str) -> None:
    with pytest.raises(QuerySyntaxError, match=r"^only label matchers are supported$"):
        parse_selector(text)
    assert parse_selector(' {a="b"} ') == _A


@pytest.mark.parametrize("text", ["{}", '{a=""}', '{a!="b"}', '{a!~"b"}', '{a=~".*"}'])
def test_a_selector_must_choose_something(text: str) -> None:
    with pytest.raises(QuerySyntaxError, match=r"^parse error : queries require at least one regexp"):
        parse_selector(text)


@pytest.mark.parametrize("text", ["{}", '{a=""}', '{a!="b"}', '{a!~"b"}'])
def test_a_selector_of_series_may_choose_everything(text: str) -> None:
    assert str(parse_selector(text, allow_empty_compatible=True)) == text
    with pytest.raises(QuerySyntaxError, match=r"^parse error : queries require at least one regexp"):
        parse_selector('{a=~".*"}', allow_empty_compatible=True)


def test_selectors_of_series() -> None:
    assert parse_series_selectors([]) == ()
    assert parse_series_selectors(["{}"]) == (Selector(()),)
    assert parse_series_selectors(['{a="b"}', '{a="b"}']) == (_A, _A)
    with pytest.raises(QuerySyntaxError, match=r"^0 matchers in group: \{\}$"):
        parse_series_selectors(['{a="b"}', "{}"])


def test_log_queries_alone() -> None:
    assert parse_log_query('{a="b"}') == LogQuery(_A)
    with pytest.raises(QuerySyntaxError, match=r"^only log selector is supported$"):
        parse_log_query("1")


def test_a_tree_may_break_rules_that_a_query_may_not() -> None:
    assert str(parse_tree("sum_over_time({}[5m])")) == "sum_over_time({}[5m])"
