from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.logql.lexer import tokenize
from lodur.logql.tokens import TokenKind


def _kinds(text: str) -> list[TokenKind]:
    return [token.kind for token in tokenize(text)][:-1]


def test_words_are_found_in_any_case() -> None:
    assert _kinds("BY Without jSoN") == [TokenKind.BY, TokenKind.WITHOUT, TokenKind.JSON]


def test_functions_are_names_unless_called() -> None:
    assert _kinds("rate") == [TokenKind.IDENTIFIER]
    assert _kinds("rate # comment\n (")[0] is TokenKind.RANGE_OP
    assert _kinds("sum by (x)")[0] is TokenKind.VECTOR_OP
    assert _kinds("sum by x")[0] is TokenKind.IDENTIFIER
    assert _kinds("ip(")[0] is TokenKind.IP
    assert _kinds("duration(")[0] is TokenKind.DURATION_CONV
    assert _kinds("duration > 1s")[0] is TokenKind.IDENTIFIER


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("1s2", [TokenKind.NUMBER, TokenKind.IDENTIFIER]),
        ("5min", [TokenKind.NUMBER, TokenKind.IDENTIFIER]),
        ("12b", [TokenKind.NUMBER, TokenKind.IDENTIFIER]),
        ("5PB", [TokenKind.NUMBER, TokenKind.IDENTIFIER]),
        ("5mb", [TokenKind.NUMBER, TokenKind.IDENTIFIER]),
        ("1d1w", [TokenKind.NUMBER, TokenKind.IDENTIFIER]),
        ("-1d1w", [TokenKind.SUB, TokenKind.NUMBER, TokenKind.IDENTIFIER]),
        ("1..2", [TokenKind.NUMBER, TokenKind.NUMBER]),
        ("0x10", [TokenKind.NUMBER]),
        (".5e-3", [TokenKind.NUMBER]),
        ("1-5", [TokenKind.NUMBER, TokenKind.SUB, TokenKind.NUMBER]),
        (
            "|=!=|~!~|>!>",
            [
                TokenKind.PIPE_EXACT,
                TokenKind.NEQ,
                TokenKind.PIPE_MATCH,
                TokenKind.NRE,
                TokenKind.PIPE_PATTERN,
                TokenKind.NOT_PATTERN,
            ],
        ),
        ("| = >= ==", [TokenKind.PIPE, TokenKind.EQ, TokenKind.GTE, TokenKind.CMP_EQ]),
        ("--strict --stricter", [TokenKind.FUNCTION_FLAG, TokenKind.SUB, TokenKind.SUB, TokenKind.IDENTIFIER]),
        ("größe", [TokenKind.IDENTIFIER]),
        ("@", [TokenKind.UNKNOWN]),
    ],
)
def test_words(text: str, kinds: list[TokenKind]) -> None:
    assert _kinds(text) == kinds


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [
        ("1h30m", TokenKind.DURATION, 5400 * 10**9),
        ("-5m", TokenKind.DURATION, -300 * 10**9),
        ("1.5s", TokenKind.DURATION, 1_500_000_000),
        ("1d", TokenKind.DURATION, 86400 * 10**9),
        ("100µs", TokenKind.DURATION, 100_000),
        ("[5m]", TokenKind.RANGE, 300 * 10**9),
        ("5KB", TokenKind.BYTES, 5000),
        ("5M", TokenKind.BYTES, 5_000_000),
        ("1.5GiB", TokenKind.BYTES, 1_610_612_736),
    ],
)
def test_amounts(text: str, kind: TokenKind, amount: int) -> None:
    token = tokenize(text)[0]
    assert (token.kind, token.amount, token.end) == (kind, amount, len(text))


def test_strings() -> None:
    assert [token.text for token in tokenize('"a\\n\\"" `b\\n"`')[:-1]] == ['a\n"', 'b\\n"']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"abc', "literal not terminated"),
        ('"a\nb"', "literal not terminated"),
        ("`abc", "literal not terminated"),
        (r'"\q"', "invalid char escape"),
        ("1e", "exponent has no digits"),
        ("[5m", "missing closing ']' in duration"),
        ("[]", "empty duration string"),
        ("a\x00b", "invalid character NUL"),
        ("a\udcff", "invalid UTF-8 encoding"),
    ],
)
def test_broken_words_end_the_list(text: str, message: str) -> None:
    token = tokenize(text + " {")[-1]
    assert (token.kind, token.text) == (TokenKind.BROKEN, message)


@given(st.text())
def test_tokens_lie_in_order_and_leave_only_gaps(text: str) -> None:
    tokens = tokenize(text)
    if tokens[-1].kind is TokenKind.BROKEN:
        return
    at = 0
    for token in tokens:
        gap = text[at : token.start]
        assert all(line.startswith("#") or not line for line in (part.strip(" \t\r") for part in gap.split("\n")))
        assert token.end > at or token.kind is TokenKind.END
        at = token.end
    assert at == len(text)
