"""Read the log parts of a query: selectors with their pipelines, and the windows of range aggregations."""

from __future__ import annotations

from dataclasses import dataclass

from lodur.logql.selector import Selector, parse_selector
from lodur.logql.stages import Stage, parse_stages
from lodur.logql.stages.unwrap import Unwrap, parse_unwrap
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.logql.tree import LogQuery, LogRange


def parse_log_query(tokens: TokenStream) -> LogQuery:
    """Read a selector and its stages, from the opening brace on."""
    start = tokens.current.start
    selector = parse_selector(tokens)
    stages = parse_stages(tokens)
    if tokens.at(TokenKind.PIPE):  # an unwrap, which only windows have
        tokens.take()
        raise tokens.unexpected()
    return LogQuery(selector, stages, tokens.span_from(start))


def parse_log_range(tokens: TokenStream) -> LogRange:
    """Read a window: the selector with its pipeline before or after the brackets, or in parentheses before them."""
    start = tokens.current.start
    if not tokens.at(TokenKind.OPEN_BRACE, TokenKind.OPEN_PAREN):
        raise tokens.unexpected(TokenKind.OPEN_BRACE, TokenKind.OPEN_PAREN)
    body = _parse_body(tokens, in_parentheses=False)
    if body.range_ns is None:
        raise tokens.unexpected()
    return LogRange(body.selector, body.range_ns, body.stages, body.unwrap, body.offset_ns, tokens.span_from(start))


@dataclass(slots=True)
class _Body:
    """What was read of a window; without `range_ns` its brackets are still to come."""

    selector: Selector
    stages: tuple[Stage, ...] = ()
    unwrap: Unwrap | None = None
    range_ns: int | None = None
    offset_ns: int = 0


def _parse_body(tokens: TokenStream, *, in_parentheses: bool) -> _Body:
    if tokens.accept(TokenKind.OPEN_PAREN):
        tokens.descend()
        body = _parse_body(tokens, in_parentheses=True)
        tokens.ascend()
        tokens.expect(TokenKind.CLOSE_PAREN)
        if body.range_ns is None:
            _parse_brackets(tokens, body)
            if not body.stages and body.unwrap is None:
                body.unwrap = _parse_unwrap_here(tokens)
        return body
    body = _Body(parse_selector(tokens))
    if tokens.at(TokenKind.RANGE):
        _parse_brackets(tokens, body)
        body.stages = parse_stages(tokens)
        body.unwrap = _parse_unwrap_here(tokens)
        return body
    body.stages = parse_stages(tokens)
    body.unwrap = _parse_unwrap_here(tokens)
    if body.unwrap is not None and not tokens.at(TokenKind.RANGE) and not in_parentheses:
        raise tokens.unexpected(TokenKind.RANGE, TokenKind.PIPE)
    if not in_parentheses or not tokens.at(TokenKind.CLOSE_PAREN):
        _parse_brackets(tokens, body)
    return body


def _parse_brackets(tokens: TokenStream, body: _Body) -> None:
    body.range_ns = tokens.require(TokenKind.RANGE).amount
    if tokens.accept(TokenKind.OFFSET):
        body.offset_ns = tokens.expect(TokenKind.DURATION).amount


def _parse_unwrap_here(tokens: TokenStream) -> Unwrap | None:
    if not tokens.at(TokenKind.PIPE):
        return None
    return parse_unwrap(tokens, tokens.take().start)
