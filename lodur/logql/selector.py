"""Stream selectors: `{app="api", env=~"prod|stage"}`."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.regexp_syntax import RegexpSyntaxError, parse_regexp
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import Token, TokenKind
from lodur.model.errors import Span
from lodur.model.matcher import Matcher, MatchOp

NO_SPAN = Span(0, 0)
"""The span of a node that was not read from a text."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Chooses streams: all `matchers` must hold, in the order written."""

    matchers: tuple[Matcher, ...]
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return "{" + ", ".join(map(str, self.matchers)) + "}"


MATCH_OPS = {
    TokenKind.EQ: MatchOp.EQUAL,
    TokenKind.RE: MatchOp.MATCHES,
    TokenKind.NRE: MatchOp.NOT_MATCHES,
    TokenKind.NEQ: MatchOp.NOT_EQUAL,
}
"""The tokens that compare a label with a text."""


def parse_selector(tokens: TokenStream) -> Selector:
    """Read a selector from its opening brace on; no matchers at all is right here."""
    start = tokens.take().start
    if tokens.accept(TokenKind.CLOSE_BRACE):
        return Selector((), tokens.span_from(start))
    if not tokens.at(TokenKind.IDENTIFIER):
        raise tokens.unexpected(TokenKind.IDENTIFIER, TokenKind.CLOSE_BRACE)
    matchers = [_parse_matcher(tokens)]
    while tokens.expect(TokenKind.CLOSE_BRACE, TokenKind.COMMA).kind is TokenKind.COMMA:
        matchers.append(_parse_matcher(tokens))
    return Selector(tuple(matchers), tokens.span_from(start))


def matcher_of(tokens: TokenStream, name: Token, op: MatchOp, value: Token) -> Matcher:
    """The matcher of these words; an error if its regular expression is none."""
    if op.is_regexp:
        try:
            parse_regexp(value.text)
        except RegexpSyntaxError as error:
            raise tokens.refusal(str(error), Span(value.start, value.end)) from error
    return Matcher(name.text, op, value.text)


def can_match_empty(matcher: Matcher) -> bool:
    """Whether a stream without the label passes."""
    matches = parse_regexp(matcher.value).matches_empty if matcher.op.is_regexp else matcher.value == ""
    return matches is not matcher.op.is_negative


def _parse_matcher(tokens: TokenStream) -> Matcher:
    name = tokens.expect(TokenKind.IDENTIFIER)
    op = MATCH_OPS[tokens.expect(*MATCH_OPS).kind]
    return matcher_of(tokens, name, op, tokens.expect(TokenKind.STRING))
