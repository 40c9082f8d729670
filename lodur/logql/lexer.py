"""Cut the text of a query into tokens.

Words are classified here, also those that are functions only in front of a parenthesis. A token that cannot be read
becomes BROKEN and ends the list; it is an error once the parser arrives there. Start at `tokenize`.
"""

from __future__ import annotations

import re

from lodur.logql.tokens import AGGREGATIONS, CALLS, KEYWORDS, OPERATORS, Token, TokenKind
from lodur.model.byte_size import parse_byte_size
from lodur.model.durations import parse_go_duration, parse_prometheus_duration
from lodur.model.go_strings import unquote

_GAP = r"(?:[ \t\r\n]|\#[^\n]*)"
_UNIT = r"(?:ns|us|µs|μs|ms|[smhdwy])"
_NUMBER = r"0[xX][0-9a-fA-F_]*|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]*)?"
_TOKEN = re.compile(
    rf"""{_GAP}*(?:
    (?P<word>[^\W\d]\w*)
  | (?P<quoted>"(?P<body>[^"\\\n]*(?:\\[^\n][^"\\\n]*)*)")
  | (?P<raw>`[^`]*`)
  | (?P<duration>-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+){_UNIT}(?:[0-9]+(?:\.[0-9]*)?{_UNIT})*)(?![\w.])
  | (?P<bytes>[0-9]+(?:\.[0-9]+)?(?:B|[kKMGT]i?B?))(?![\w.])
  | (?P<number>{_NUMBER})
  | (?P<range>\[(?P<inner>[^\]]*)\])
  | (?P<flag>--(?:strict|keep-empty))(?!\w)
  | (?P<operator>[=!|]~|[!=><|]=|[|!]>|[{{}}(),.=|><+\-*/%^])
  | (?P<end>\Z)
  | (?P<other>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER_ALONE = re.compile(_NUMBER)
_OPENS_CALL = re.compile(rf"{_GAP}*\(")
_OPENS_AGGREGATION = re.compile(rf"{_GAP}*(?:(?:by|without){_GAP}*)?\(", re.IGNORECASE)
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


def tokenize(text: str) -> list[Token]:
    """The tokens of `text`, closed by one END or BROKEN token."""
    if found := _NOT_TEXT.search(text):
        message = "invalid UTF-8 encoding" if ord(found.group()) else "invalid character NUL"
        return [Token(TokenKind.BROKEN, message, found.start(), found.end())]
    tokens: list[Token] = []
    at = 0
    while True:
        token = _token_at(text, at)
        tokens.append(token)
        if token.kind is TokenKind.END or token.kind is TokenKind.BROKEN:
            return tokens
        at = token.end


def _token_at(text: str, at: int) -> Token:
    found = _TOKEN.match(text, at)
    group = found.lastgroup if found else None
    if found is None or group is None:
        return Token(TokenKind.END, "", len(text), len(text))
    start, end = found.span(group)
    written = found.group(group)
    match group:
        case "operator":
            return Token(OPERATORS[written], written, start, end)
        case "word":
            return Token(_word_kind(text, written.lower(), end), written, start, end)
        case "quoted":
            return _quoted(found.group("body"), start, end)
        case "raw":
            return Token(TokenKind.STRING, written[1:-1].replace("\r", ""), start, end)
        case "duration":
            return _duration(text, written, start, end)
        case "bytes":
            return _byte_size(text, written, start, end)
        case "number":
            return _number(written, start, end)
        case "range":
            return _range(found.group("inner"), start, end)
        case "flag":
            return Token(TokenKind.FUNCTION_FLAG, written, start, end)
        case "end":
            return Token(TokenKind.END, "", start, end)
        case _:
            return _other(written, start, end)


def _word_kind(text: str, word: str, end: int) -> TokenKind:
    if kind := KEYWORDS.get(word):
        return kind
    if (kind := CALLS.get(word)) and _OPENS_CALL.match(text, end):
        return kind
    if (kind := AGGREGATIONS.get(word)) and _OPENS_AGGREGATION.match(text, end):
        return kind
    return TokenKind.IDENTIFIER


def _quoted(body: str, start: int, end: int) -> Token:
    try:
        return Token(TokenKind.STRING, unquote(body), start, end)
    except ValueError as error:
        return Token(TokenKind.BROKEN, str(error), start, end)


def _duration(text: str, written: str, start: int, end: int) -> Token:
    """A duration in Go's or Prometheus' form; where it is neither, only the sign or number that it begins with."""
    for parse in (parse_go_duration, parse_prometheus_duration):
        try:
            return Token(TokenKind.DURATION, written, start, end, parse(written))
        except ValueError:
            continue
    return _leading_number(text, start)


def _byte_size(text: str, written: str, start: int, end: int) -> Token:
    try:
        return Token(TokenKind.BYTES, written, start, end, parse_byte_size(written))
    except ValueError:
        return _leading_number(text, start)


def _leading_number(text: str, start: int) -> Token:
    """The number that a word begins with, or the sign before it."""
    number = _NUMBER_ALONE.match(text, start)
    if number is None:
        return Token(TokenKind.SUB, "-", start, start + 1)
    return _number(number.group(), start, number.end())


def _number(written: str, start: int, end: int) -> Token:
    if not written.lower().startswith("0x") and written[-1] in "eE+-":
        return Token(TokenKind.BROKEN, "exponent has no digits", start, end)
    return Token(TokenKind.NUMBER, written, start, end)


def _range(inner: str, start: int, end: int) -> Token:
    try:
        return Token(TokenKind.RANGE, inner, start, end, parse_prometheus_duration(inner))
    except ValueError as error:
        return Token(TokenKind.BROKEN, str(error), start, end)


def _other(char: str, start: int, end: int) -> Token:
    if char in ('"', "`"):
        return Token(TokenKind.BROKEN, "literal not terminated", start, end)
    if char == "[":
        return Token(TokenKind.BROKEN, "missing closing ']' in duration", start, end)
    return Token(TokenKind.UNKNOWN, char, start, end)
