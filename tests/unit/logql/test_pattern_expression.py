from __future__ import annotations

import pytest

from lodur.logql.pattern_expression import (
    PatternCapture,
    PatternLiteral,
    PatternPart,
    parse_label_pattern,
    parse_line_pattern,
)

_LITERAL, _CAPTURE = PatternLiteral, PatternCapture


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "<ip> - <_> [<ts>]",
            (_CAPTURE("ip"), _LITERAL(" - "), _CAPTURE(""), _LITERAL(" ["), _CAPTURE("ts"), _LITERAL("]")),
        ),
        ("<a>", (_CAPTURE("a"),)),
        ("<1> <a b> <a>", (_LITERAL("<1> <a b> "), _CAPTURE("a"))),
        ("<<a>>", (_LITERAL("<"), _CAPTURE("a"), _LITERAL(">"))),
    ],
)
def test_label_patterns(text: str, parts: tuple[PatternPart, ...]) -> None:
    assert parse_label_pattern(text) == parts
    assert "".join(map(str, parts)) == text


def test_line_patterns() -> None:
    assert parse_line_pattern("") == ()
    assert parse_line_pattern("no captures") == (_LITERAL("no captures"),)
    assert parse_line_pattern("<_> x") == (_CAPTURE(""), _LITERAL(" x"))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL"),
        ("x", "at least one capture is required"),
        ("<_> x", "at least one capture is required"),
        ("<a><b>", "found consecutive capture '<a><b>': invalid expression"),
        ("<a> <a>", "duplicate capture name (a): invalid expression"),
    ],
)
def test_label_patterns_refused(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=r".+") as refused:
        parse_label_pattern(text)
    assert str(refused.value) == error


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<a> x", "named captures are not allowed: found '<a>'"),
        ("<_><_>", "found consecutive capture '<_><_>': invalid expression"),
    ],
)
def test_line_patterns_refused(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=r".+") as refused:
        parse_line_pattern(text)
    assert str(refused.value) == error
