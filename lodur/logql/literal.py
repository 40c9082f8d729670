"""Numbers of a query, read as 64-bit floats."""

from __future__ import annotations

import math

from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.model.errors import Span
from lodur.model.go_strings import quote


def parse_number(tokens: TokenStream) -> float:
    """Read a number without a sign."""
    token = tokens.expect(TokenKind.NUMBER)
    reason = "invalid syntax"
    if "_" not in token.text and token.text[:2] not in ("0x", "0X"):
        value = float(token.text)
        if math.isfinite(value):
            return value
        reason = "value out of range"
    message = f"unable to parse literal as a float: strconv.ParseFloat: parsing {quote(token.text)}: {reason}"
    raise tokens.refusal(message, Span(token.start, token.end))


def parse_signed_number(tokens: TokenStream) -> float:
    """Read a number, perhaps with a sign in front."""
    if tokens.accept(TokenKind.SUB):
        return -parse_number(tokens)
    tokens.accept(TokenKind.ADD)
    return parse_number(tokens)
