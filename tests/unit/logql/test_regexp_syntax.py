from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.logql.regexp_syntax import RegexpSyntaxError, parse_regexp
from tests.strategies import regexps


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("(", "missing closing ): `(`"),
        ("a(b", "missing closing ): `a(b`"),
        ("a)b", "unexpected ): `a)b`"),
        ("[a", "missing closing ]: `[a`"),
        ("x[]a", "missing closing ]: `[]a`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("a|+?", "missing argument to repetition operator: `+?`"),
        ("(*)", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a*{2}", "invalid nested repetition operator: `*{2}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("(a{100}){100}", "invalid repeat count: `{100}`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("\\p{foo}", "invalid character class range: `\\p{foo}`"),
        ("\\q", "invalid escape sequence: `\\q`"),
        ("(a)\\1", "invalid escape sequence: `\\1`"),
        ("\\Z", "invalid escape sequence: `\\Z`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("(?P<x", "invalid named capture: `(?P<x`"),
        ("(?P<a-b>.)", "invalid named capture: `(?P<a-b>`"),
        ("(?P<>.)", "invalid named capture: `(?P<>`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
        ("(" * 1001 + ")" * 1001, "expression nests too deeply: `" + "(" * 1001 + ")" * 1001 + "`"),
    ],
)
def test_errors_are_worded_as_in_go(text: str, error: str) -> None:
    with pytest.raises(RegexpSyntaxError) as refused:
        parse_regexp(text)
    assert str(refused.value) == f"error parsing regexp: {error}"


@pytest.mark.parametrize(
    "text",
    [
        "a{,2}",
        "a{",
        "a{1001",
        "[]a]",
        "[^]a]",
        "[a-]",
        "[-a]",
        "[\\d-z]",
        "[[:alpha:][:^digit:]]",
        "\\pL\\p{Greek}\\P{^Han}\\pN",
        "\\x{10FFFF}\\x41\\012\\0",
        "\\_\\-\\/",
        "(?i)a(?-i:b)(?s-m:c)(?U)",
        "(?P<a>.)(?<b>.)",
        "\\Qa(b\\E+",
        "\\Qa(b",
        "a*?b+?c??d{2}?",
        "}]",
    ],
)
def test_accepted(text: str) -> None:
    parse_regexp(text)


def test_names_are_in_order_and_may_repeat() -> None:
    assert parse_regexp("(?P<b>x)((?P<a>y)|(?<b>z))(w)").names == ("b", "a", "b")


@pytest.mark.parametrize(
    ("text", "matches_empty"),
    [
        ("", True),
        (".*", True),
        (".+", False),
        ("a?", True),
        ("a|", True),
        ("|a", True),
        ("a|b", False),
        ("(a|)b", False),
        ("(a|)(b*)", True),
        ("a{0}", True),
        ("a{2,}", False),
        ("(a?){3}", True),
        ("^$", True),
        ("\\A\\B\\z", True),
        ("\\b", False),
        ("(?i)", True),
        ("[^a]*x?", True),
        ("\\Q\\E", True),
        ("\\Qab\\E", False),
        ("ab*", False),
    ],
)
def test_matches_empty(text: str, matches_empty: bool) -> None:
    assert parse_regexp(text).matches_empty is matches_empty


@given(regexps.filter(lambda text: "(?i)" not in text))
def test_agrees_with_another_engine_about_the_empty_text(text: str) -> None:
    assert parse_regexp(text).matches_empty is (re.fullmatch(text, "") is not None)


@given(st.text("()[]{}|*+?^$.\\-:<>P=!ab019,dQEpx", max_size=12))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        parse_regexp(text)
    except RegexpSyntaxError as error:
        message = str(error)
    else:
        message = "error parsing regexp: "
    assert message.startswith("error parsing regexp: ")
