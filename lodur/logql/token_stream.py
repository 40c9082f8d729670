"""The parser's place in a query: the current token, and the errors that point at it."""

from __future__ import annotations

from lodur.logql.lexer import tokenize
from lodur.logql.tokens import Token, TokenKind
from lodur.model.errors import QuerySyntaxError, Span

HEIGHT_MAX = 100
"""Highest tree read: far above what people and dashboards write, and each level costs a few Python frames wherever
trees are walked. Chains of `and`, `or` and stages are no levels, those of binary operators are."""

NESTING_MAX = 2 * HEIGHT_MAX + 20
"""Deepest recursion of the parser, of two Python frames each: enough for the printed form of the highest tree."""

_WITHOUT_LINE = frozenset(
    {
        TokenKind.RANGE,
        TokenKind.DURATION,
        TokenKind.BYTES,
        TokenKind.FUNCTION_FLAG,
        TokenKind.NEQ,
        TokenKind.RE,
        TokenKind.NRE,
        TokenKind.PIPE_EXACT,
        TokenKind.PIPE_MATCH,
        TokenKind.PIPE_PATTERN,
        TokenKind.NOT_PATTERN,
        TokenKind.CMP_EQ,
        TokenKind.GTE,
        TokenKind.LTE,
    }
)
"""Tokens of several characters, whose place the reference gives as "line 0": texts are kept equal."""


class TokenStream:
    """Walks over the tokens of one query; `current` is the next one not yet taken.

    `height` counts the levels of the tree read last; whoever reads a part that can be nested sets it by `reach`.
    """

    __slots__ = ("_at", "_nesting", "_tokens", "current", "height", "taken_end", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.taken_end = 0
        self.height = 0
        self._nesting = 0
        tokens = tokenize(text)
        self._tokens = [*tokens, tokens[-1], tokens[-1]]  # looking past the end, or taking it, finds the end again
        self._at = -1
        self._step()

    def take(self) -> Token:
        """The current token; the next one becomes current."""
        token = self.current
        self.taken_end = token.end
        self._step()
        return token

    def accept(self, kind: TokenKind) -> Token | None:
        """Take the current token if it is of this kind."""
        return self.take() if self.current.kind is kind else None

    def expect(self, *kinds: TokenKind) -> Token:
        """Take the current token; a syntax error that lists `kinds` if it is none of them."""
        if self.current.kind not in kinds:
            raise self.unexpected(*kinds)
        return self.take()

    def require(self, kind: TokenKind) -> Token:
        """Take the current token; a syntax error without a list, where too much else could follow, if it differs."""
        if self.current.kind is not kind:
            raise self.unexpected()
        return self.take()

    def next_kind(self) -> TokenKind:
        """The kind of the token after the current one."""
        return self._tokens[self._at + 1].kind

    def span_from(self, start: int) -> Span:
        """From `start` to the end of the last token taken."""
        return Span(start, self.taken_end)

    def descend(self) -> None:
        """Enter a nested part; each call is undone by `ascend`."""
        self._nesting += 1
        if self._nesting > NESTING_MAX:
            raise self._too_deep()

    def ascend(self) -> None:
        self._nesting -= 1

    def reach(self, height: int) -> None:
        """The tree read last has so many levels; an error if these are too many."""
        self.height = height
        if height > HEIGHT_MAX:
            raise self._too_deep()

    def at(self, *kinds: TokenKind) -> bool:
        """Whether the current token is of one of these kinds."""
        return self.current.kind in kinds

    def unexpected(self, *expected: TokenKind) -> QuerySyntaxError:
        """The current token is out of place; `expected` could stand there."""
        token = self.current
        if token.kind is TokenKind.UNKNOWN and TokenKind.IDENTIFIER in expected:
            return self._error_at(token, f"syntax error: unexpected character {token.text!r}")
        message = f"syntax error: unexpected {token.display}"
        if expected:
            message += ", expecting " + " or ".join(kind.value for kind in expected)
        return self._error_at(token, message)

    def refusal(self, reason: str, span: Span | None) -> QuerySyntaxError:
        """What was read at `span` cannot be, though its syntax is right."""
        return QuerySyntaxError(f"parse error : {reason}", query=self.text, span=span)

    def stage_refusal(self, stage: str, reason: str, span: Span) -> QuerySyntaxError:
        """A stage, given in its printed form, cannot work."""
        return self.refusal(f"stage '{stage}' : {reason}", span)

    def _too_deep(self) -> QuerySyntaxError:
        message = f"query is nested too deeply: at most {HEIGHT_MAX} levels are read"
        return self.refusal(message, Span(self.current.start, self.current.end))

    def _step(self) -> None:
        self._at += 1
        self.current = self._tokens[self._at]
        if self.current.kind is TokenKind.BROKEN:
            raise self._error_at(self.current, self.current.text)

    def _error_at(self, token: Token, message: str) -> QuerySyntaxError:
        if not self.text:
            return self.refusal(message, None)
        line_start = self.text.rfind("\n", 0, token.start) + 1
        line = self.text.count("\n", 0, token.start) + 1
        if token.kind in _WITHOUT_LINE or (token.kind is TokenKind.BROKEN and self.text[token.start] == "["):
            line = 0
        place = f"line {line}, col {token.start - line_start + 1}"
        span = Span(token.start, max(token.end, token.start + 1))
        return QuerySyntaxError(f"parse error at {place}: {message}", query=self.text, span=span)
