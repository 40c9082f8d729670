"""Line filters: `|= "text"`, `!~ "regexp"`, `|> "<_> pattern"`, `|= ip("10.0.0.0/8")`, each with `or` alternatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias, assert_never

from lodur.logql.ip_pattern import IpPattern, parse_ip_call, parse_ip_pattern
from lodur.logql.pattern_expression import PatternPart, parse_line_pattern
from lodur.logql.regexp_syntax import parse_regexp
from lodur.logql.selector import NO_SPAN
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.model.errors import Span
from lodur.model.go_strings import quote


class LineFilterOp(Enum):
    """How a line is tested; the value is the written form."""

    CONTAINS = "|="
    NOT_CONTAINS = "!="
    MATCHES = "|~"
    NOT_MATCHES = "!~"
    FITS = "|>"
    NOT_FITS = "!>"

    @property
    def is_negative(self) -> bool:
        return self in (LineFilterOp.NOT_CONTAINS, LineFilterOp.NOT_MATCHES, LineFilterOp.NOT_FITS)


@dataclass(frozen=True, slots=True)
class LineText:
    """Text to find, or the regular expression (unanchored, RE2) of `|~` and `!~`."""

    text: str

    def __str__(self) -> str:
        return quote(self.text)


@dataclass(frozen=True, slots=True)
class LinePattern:
    """The pattern of `|>` and `!>`; no `parts` stand for the empty line alone."""

    text: str
    parts: tuple[PatternPart, ...]

    def __str__(self) -> str:
        return quote(self.text)


@dataclass(frozen=True, slots=True)
class LineAddress:
    """Addresses to find in the line; with `|=` and `!=` alone."""

    pattern: IpPattern

    def __str__(self) -> str:
        return str(self.pattern)


LineOperand: TypeAlias = LineText | LinePattern | LineAddress
"""What a line is tested for."""


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Keeps a line if any of `operands` (one at least) is found; a negative `op` keeps it if none of them is."""

    op: LineFilterOp
    operands: tuple[LineOperand, ...]
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.op.value} {' or '.join(map(str, self.operands))}"


LINE_FILTER_OPS = {
    TokenKind.PIPE_EXACT: LineFilterOp.CONTAINS,
    TokenKind.NEQ: LineFilterOp.NOT_CONTAINS,
    TokenKind.PIPE_MATCH: LineFilterOp.MATCHES,
    TokenKind.NRE: LineFilterOp.NOT_MATCHES,
    TokenKind.PIPE_PATTERN: LineFilterOp.FITS,
    TokenKind.NOT_PATTERN: LineFilterOp.NOT_FITS,
}
"""The tokens that begin a line filter."""


def parse_line_filter(tokens: TokenStream) -> LineFilter:
    """Read a line filter from its operator on."""
    operator = tokens.take()
    op = LINE_FILTER_OPS[operator.kind]
    written = [_parse_written(tokens)]
    while tokens.accept(TokenKind.OR):
        written.append(_parse_written(tokens))
    span = tokens.span_from(operator.start)
    try:
        return LineFilter(op, tuple(_operand(op, text, is_address) for text, is_address in written), span)
    except ValueError as error:
        texts = (f"ip({quote(text)})" if is_address else quote(text) for text, is_address in written)
        raise tokens.stage_refusal(f"{op.value} {' or '.join(texts)}", str(error), span) from error


def _parse_written(tokens: TokenStream) -> tuple[str, bool]:
    """One alternative as written, and whether it stands in `ip(...)`."""
    token = tokens.expect(TokenKind.STRING, TokenKind.IP)
    if token.kind is TokenKind.STRING:
        return token.text, False
    return parse_ip_call(tokens), True


def _operand(op: LineFilterOp, text: str, is_address: bool) -> LineOperand:
    """What `op` looks for; ValueError if the text cannot be that."""
    if is_address:
        if op not in (LineFilterOp.CONTAINS, LineFilterOp.NOT_CONTAINS):
            raise ValueError("ip: invalid operation")
        return LineAddress(parse_ip_pattern(text))
    match op:
        case LineFilterOp.FITS | LineFilterOp.NOT_FITS:
            return LinePattern(text, parse_line_pattern(text))
        case LineFilterOp.MATCHES | LineFilterOp.NOT_MATCHES:
            parse_regexp(text)
            return LineText(text)
        case LineFilterOp.CONTAINS | LineFilterOp.NOT_CONTAINS:
            return LineText(text)
        case _:
            assert_never(op)
