"""The list after `json` and `logfmt`: `name="expression", same_name`."""

from __future__ import annotations

from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.model.go_strings import quote


def parse_extractions(tokens: TokenStream) -> tuple[tuple[str, str], ...]:
    """The names with their expressions, none where no identifier follows; a bare name is its own expression."""
    if not tokens.at(TokenKind.IDENTIFIER):
        return ()
    extractions = [_parse_extraction(tokens)]
    while tokens.accept(TokenKind.COMMA):
        extractions.append(_parse_extraction(tokens))
    return tuple(extractions)


def format_extractions(extractions: tuple[tuple[str, str], ...]) -> str:
    """The printed form of a list, also of one whose expressions are wrong."""
    return ",".join(f"{name}={quote(expression)}" for name, expression in extractions)


def _parse_extraction(tokens: TokenStream) -> tuple[str, str]:
    name = tokens.expect(TokenKind.IDENTIFIER).text
    return name, tokens.expect(TokenKind.STRING).text if tokens.accept(TokenKind.EQ) else name
