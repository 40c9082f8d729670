"""The list after `drop` and `keep`: `name, name="value", name=~"regexp"`."""

from __future__ import annotations

from lodur.logql.selector import MATCH_OPS, matcher_of
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.model.matcher import Matcher


def parse_label_targets(tokens: TokenStream) -> tuple[str | Matcher, ...]:
    """One name or matcher at least."""
    targets = [_parse_target(tokens)]
    while tokens.accept(TokenKind.COMMA):
        targets.append(_parse_target(tokens))
    return tuple(targets)


def _parse_target(tokens: TokenStream) -> str | Matcher:
    name = tokens.expect(TokenKind.IDENTIFIER)
    if tokens.current.kind not in MATCH_OPS:
        return name.text
    op = MATCH_OPS[tokens.take().kind]
    value = tokens.expect(TokenKind.STRING)
    return matcher_of(tokens, name, op, value)
