"""`| unwrap duration(took) | __error__=""`: a label's value becomes the sample of a range aggregation."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from lodur.logql.selector import NO_SPAN
from lodur.logql.stages.label_filter import LabelFilter, parse_label_filter
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.model.errors import Span


class UnwrapConversion(Enum):
    """How the text becomes a number; the value is the written function, empty for a plain float."""

    NUMBER = ""
    BYTES = "bytes"
    DURATION = "duration"
    DURATION_SECONDS = "duration_seconds"


@dataclass(frozen=True, slots=True)
class Unwrap:
    """Takes the sample from `label`; `filters` see the labels afterwards, the error of the conversion too."""

    label: str
    conversion: UnwrapConversion = UnwrapConversion.NUMBER
    filters: tuple[LabelFilter, ...] = ()
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        source = self.label
        if self.conversion is not UnwrapConversion.NUMBER:
            source = f"{self.conversion.value}({self.label})"
        return " ".join(("| unwrap", source, *map(str, self.filters)))


_CONVERSIONS = {
    TokenKind.BYTES_CONV: UnwrapConversion.BYTES,
    TokenKind.DURATION_CONV: UnwrapConversion.DURATION,
    TokenKind.DURATION_SECONDS_CONV: UnwrapConversion.DURATION_SECONDS,
}


def parse_unwrap(tokens: TokenStream, start: int) -> Unwrap:
    """Read the stage from the word `unwrap` on, and the label filters behind it; its bar stands at `start`."""
    tokens.expect(TokenKind.UNWRAP)
    token = tokens.expect(TokenKind.IDENTIFIER, *_CONVERSIONS)
    label, conversion = token.text, UnwrapConversion.NUMBER
    if token.kind is not TokenKind.IDENTIFIER:
        conversion = _CONVERSIONS[token.kind]
        tokens.require(TokenKind.OPEN_PAREN)
        label = tokens.expect(TokenKind.IDENTIFIER).text
        tokens.expect(TokenKind.CLOSE_PAREN)
    filters: list[LabelFilter] = []
    while bar := tokens.accept(TokenKind.PIPE):
        if not tokens.at(TokenKind.IDENTIFIER, TokenKind.OPEN_PAREN):
            raise tokens.unexpected(TokenKind.IDENTIFIER, TokenKind.OPEN_PAREN)
        filters.append(parse_label_filter(tokens, bar.start))
    return Unwrap(label, conversion, tuple(filters), tokens.span_from(start))
