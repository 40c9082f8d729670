"""Read expressions: operands, binary operators with their modifiers, aggregations and functions.

Precedence climbing; arithmetic between numbers is done at once, so no operation has two literal sides.
"""

from __future__ import annotations

from lodur.logql.arithmetic import compute
from lodur.logql.literal import parse_number, parse_signed_number
from lodur.logql.log_parser import parse_log_query, parse_log_range
from lodur.logql.operators import BINARY_LEVEL, BinaryOp, GroupSide, RangeOp, VectorOp
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import Token, TokenKind
from lodur.logql.tree import (
    BinaryOperation,
    Grouping,
    LabelReplace,
    Literal,
    LogQuery,
    MetricQuery,
    Query,
    RangeAggregation,
    Variants,
    VectorAggregation,
    VectorLiteral,
    VectorMatching,
)
from lodur.model.errors import Span

_BINARY = {TokenKind(op.value): (op, level) for op, level in BINARY_LEVEL.items()}
_TAKES_COUNT = (VectorOp.TOPK, VectorOp.BOTTOMK, VectorOp.APPROX_TOPK)


def parse_expression(tokens: TokenStream, lowest: int = 0) -> Query:
    """Read an operand and all operators behind it whose level is at least `lowest`."""
    tokens.descend()
    start = tokens.current.start
    tokens.reach(0)
    left = _parse_operand(tokens)
    height = tokens.height
    while (found := _BINARY.get(tokens.current.kind)) and found[1] >= lowest:
        op, level = found
        tokens.take()
        returns_bool = tokens.accept(TokenKind.BOOL) is not None
        matching = _parse_matching(tokens)
        right = parse_expression(tokens, level if op is BinaryOp.POWER else level + 1)
        left = _join(tokens, op, left, right, matching, returns_bool, tokens.span_from(start))
        height = 0 if isinstance(left, Literal) else max(height, tokens.height) + 1
        tokens.reach(height)
    tokens.ascend()
    return left


def _join(
    tokens: TokenStream,
    op: BinaryOp,
    left: Query,
    right: Query,
    matching: VectorMatching | None,
    returns_bool: bool,
    span: Span,
) -> MetricQuery:
    left = _refuse_logs(tokens, op, "left", left)
    right = _refuse_logs(tokens, op, "right", right)
    for side, operand in (("left", left), ("right", right)):
        if op.is_set and isinstance(operand, Literal):
            message = f"unexpected literal for {side} leg of logical/set binary operation ({op.value})"
            raise tokens.refusal(f"{message}: {operand.value:f}", span)
    if isinstance(left, Literal) and isinstance(right, Literal):
        return Literal(compute(op, left.value, right.value), span)
    return BinaryOperation(op, left, right, matching, returns_bool, span)


def _refuse_logs(tokens: TokenStream, op: BinaryOp, side: str, operand: Query) -> MetricQuery:
    if isinstance(operand, LogQuery):
        kind = "PipelineExpr" if operand.stages else "MatchersExpr"
    elif isinstance(operand, Variants):
        kind = "MultiVariantExpr"
    else:
        return operand
    message = f"unexpected type for {side} leg of binary operation ({op.value}): *syntax.{kind}"
    raise tokens.refusal(message, operand.span)


def _parse_matching(tokens: TokenStream) -> VectorMatching | None:
    if not tokens.at(TokenKind.ON, TokenKind.IGNORING):
        return None
    on = tokens.take().kind is TokenKind.ON
    labels = _parse_labels(tokens)
    if not tokens.at(TokenKind.GROUP_LEFT, TokenKind.GROUP_RIGHT):
        return VectorMatching(on, labels)
    group = GroupSide(tokens.take().kind.value)
    include = _parse_labels(tokens) if tokens.at(TokenKind.OPEN_PAREN) else ()
    return VectorMatching(on, labels, group, include)


def _parse_labels(tokens: TokenStream) -> tuple[str, ...]:
    tokens.expect(TokenKind.OPEN_PAREN)
    first = tokens.expect(TokenKind.IDENTIFIER, TokenKind.CLOSE_PAREN)
    if first.kind is TokenKind.CLOSE_PAREN:
        return ()
    labels = [first.text]
    while tokens.expect(TokenKind.COMMA, TokenKind.CLOSE_PAREN).kind is TokenKind.COMMA:
        labels.append(tokens.expect(TokenKind.IDENTIFIER).text)
    return tuple(labels)


def _parse_operand(tokens: TokenStream) -> Query:
    start = tokens.current.start
    match tokens.current.kind:
        case TokenKind.OPEN_BRACE:
            return parse_log_query(tokens)
        case TokenKind.OPEN_PAREN:
            tokens.take()
            inner = parse_expression(tokens)
            tokens.require(TokenKind.CLOSE_PAREN)
            return inner
        case TokenKind.NUMBER | TokenKind.ADD | TokenKind.SUB:
            return Literal(parse_signed_number(tokens), tokens.span_from(start))
        case TokenKind.RANGE_OP:
            return _parse_range_aggregation(tokens)
        case TokenKind.VECTOR_OP:
            return _parse_vector_aggregation(tokens)
        case TokenKind.LABEL_REPLACE:
            return _parse_label_replace(tokens)
        case TokenKind.VECTOR:
            tokens.take()
            tokens.require(TokenKind.OPEN_PAREN)
            value = parse_number(tokens)
            tokens.expect(TokenKind.CLOSE_PAREN)
            return VectorLiteral(value, tokens.span_from(start))
        case TokenKind.VARIANTS:
            return _parse_variants(tokens)
        case _:
            raise tokens.unexpected()


def _parse_metric(tokens: TokenStream) -> MetricQuery:
    """Read an expression that must give numbers; otherwise what follows it is out of place."""
    tokens.descend()
    query = parse_expression(tokens)
    tokens.ascend()
    if isinstance(query, LogQuery | Variants):
        raise tokens.unexpected()
    return query


def _parse_range_aggregation(tokens: TokenStream) -> RangeAggregation:
    name = tokens.take()
    tokens.require(TokenKind.OPEN_PAREN)
    parameter = None
    if not tokens.at(TokenKind.OPEN_BRACE, TokenKind.OPEN_PAREN):
        if not tokens.at(TokenKind.NUMBER):
            raise tokens.unexpected(TokenKind.NUMBER, TokenKind.OPEN_BRACE, TokenKind.OPEN_PAREN)
        parameter = parse_number(tokens)
        tokens.expect(TokenKind.COMMA)
    log_range = parse_log_range(tokens)
    tokens.expect(TokenKind.CLOSE_PAREN)
    grouping = _parse_grouping(tokens)
    return RangeAggregation(RangeOp(name.text.lower()), log_range, parameter, grouping, tokens.span_from(name.start))


def _parse_vector_aggregation(tokens: TokenStream) -> VectorAggregation:
    name = tokens.take()
    op = VectorOp(name.text.lower())
    grouping = _parse_grouping(tokens)
    tokens.expect(TokenKind.OPEN_PAREN)
    count = None
    if tokens.at(TokenKind.NUMBER) and tokens.next_kind() is TokenKind.COMMA:
        count = tokens.take()
        tokens.take()
    operand = _parse_metric(tokens)
    tokens.reach(tokens.height + 1)
    tokens.require(TokenKind.CLOSE_PAREN)
    grouping = grouping or _parse_grouping(tokens)
    parameter = _checked_count(tokens, op, count, tokens.span_from(name.start))
    return VectorAggregation(op, operand, parameter, grouping, tokens.span_from(name.start))


def _checked_count(tokens: TokenStream, op: VectorOp, count: Token | None, span: Span) -> int | None:
    """The number in front of the operand, which `op` must have or must not have."""
    if op not in _TAKES_COUNT:
        if count is not None:
            raise tokens.refusal(f"unsupported parameter for operation {op.value}({count.text},", span)
        return None
    if count is None:
        raise tokens.refusal(f"parameter required for operation {op.value}", span)
    if not count.text.isdecimal() or int(count.text[:_COUNT_DIGITS_MAX]) > _COUNT_MAX:
        raise tokens.refusal(f"invalid parameter {op.value}({count.text},", span)
    if int(count.text) == 0:
        raise tokens.refusal(f"invalid parameter (must be greater than 0) {op.value}({count.text}", span)
    return int(count.text)


_COUNT_MAX = 2**63 - 1
_COUNT_DIGITS_MAX = 40
"""Counts are signed 64-bit numbers; more digits than these are not converted at all."""


def _parse_grouping(tokens: TokenStream) -> Grouping | None:
    if not tokens.at(TokenKind.BY, TokenKind.WITHOUT):
        return None
    word = tokens.take()
    labels = _parse_labels(tokens)
    return Grouping(labels, word.kind is TokenKind.WITHOUT, tokens.span_from(word.start))


def _parse_label_replace(tokens: TokenStream) -> LabelReplace:
    start = tokens.take().start
    tokens.expect(TokenKind.OPEN_PAREN)
    operand = _parse_metric(tokens)
    tokens.reach(tokens.height + 1)
    tokens.require(TokenKind.COMMA)
    texts = [tokens.expect(TokenKind.STRING).text]
    for _ in range(3):
        tokens.expect(TokenKind.COMMA)
        texts.append(tokens.expect(TokenKind.STRING).text)
    tokens.expect(TokenKind.CLOSE_PAREN)
    target, replacement, source, regexp = texts
    return LabelReplace(operand, target, replacement, source, regexp, tokens.span_from(start))


def _parse_variants(tokens: TokenStream) -> Variants:
    start = tokens.take().start
    tokens.expect(TokenKind.OPEN_PAREN)
    queries = [_parse_metric(tokens)]
    while tokens.accept(TokenKind.COMMA):
        queries.append(_parse_metric(tokens))
    tokens.require(TokenKind.CLOSE_PAREN)
    tokens.expect(TokenKind.OF)
    tokens.expect(TokenKind.OPEN_PAREN)
    log_range = parse_log_range(tokens)
    tokens.expect(TokenKind.CLOSE_PAREN)
    return Variants(tuple(queries), log_range, tokens.span_from(start))
