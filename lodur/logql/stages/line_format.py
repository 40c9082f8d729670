"""`| line_format "{{.msg}}"`: a template makes the new line."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.selector import NO_SPAN
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.model.errors import Span
from lodur.model.go_strings import quote


@dataclass(frozen=True, slots=True)
class LineFormat:
    """Replaces the line by what `template` (Go's text/template) makes of the labels."""

    template: str
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"| line_format {quote(self.template)}"


def parse_line_format(tokens: TokenStream, start: int) -> LineFormat:
    """Read the stage from the word `line_format` on; its bar stands at `start`."""
    tokens.take()
    return LineFormat(tokens.expect(TokenKind.STRING).text, tokens.span_from(start))
