"""`| pattern "<ip> - <_>"`: captures between literals become labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.pattern_expression import PatternPart, parse_label_pattern
from lodur.logql.selector import NO_SPAN
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.model.errors import Span
from lodur.model.go_strings import quote


@dataclass(frozen=True, slots=True)
class PatternParser:
    """Walks the line along `parts` from its start; `expression` is what was written."""

    expression: str
    parts: tuple[PatternPart, ...]
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"| pattern {quote(self.expression)}"


def parse_pattern_parser(tokens: TokenStream, start: int) -> PatternParser:
    """Read the stage from the word `pattern` on; its bar stands at `start`."""
    tokens.take()
    expression = tokens.expect(TokenKind.STRING).text
    span = tokens.span_from(start)
    try:
        return PatternParser(expression, parse_label_pattern(expression), span)
    except ValueError as error:
        raise tokens.refusal(f"invalid pattern parser: {error}", span) from error
