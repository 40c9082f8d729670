"""Label filters: `| level="error"`, `| status >= 500 and took > 1s`, `| addr = ip("10.0.0.0/8")`.

Precedence: `and` binds tighter than `or`; a comma, or nothing at all, between two predicates means "and" and
takes everything on its right first, so `a or b, c or d` is `a or (b and (c or d))`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from lodur.logql.ip_pattern import IpPattern, parse_ip_call, parse_ip_pattern
from lodur.logql.literal import parse_number, parse_signed_number
from lodur.logql.numbers import format_number
from lodur.logql.selector import MATCH_OPS, NO_SPAN, matcher_of
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import Token, TokenKind
from lodur.model.byte_size import format_exact_byte_size
from lodur.model.durations import format_go_duration
from lodur.model.errors import Span
from lodur.model.go_strings import quote
from lodur.model.matcher import Matcher


class CompareOp(Enum):
    """How a label's number is compared; the value is the written form."""

    EQUAL = "=="
    NOT_EQUAL = "!="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="


@dataclass(frozen=True, slots=True)
class StringPredicate:
    """The label's text; an absent label counts as empty, a regular expression must match all of it."""

    matcher: Matcher

    def __str__(self) -> str:
        return str(self.matcher)


@dataclass(frozen=True, slots=True)
class NumberPredicate:
    """The label's value read as a floating-point number."""

    name: str
    op: CompareOp
    value: float

    def __str__(self) -> str:
        return f"{self.name}{self.op.value}{format_number(self.value)}"


@dataclass(frozen=True, slots=True)
class DurationPredicate:
    """The label's value read as a Go duration."""

    name: str
    op: CompareOp
    value_ns: int

    def __str__(self) -> str:
        return f"{self.name}{self.op.value}{format_go_duration(self.value_ns)}"


@dataclass(frozen=True, slots=True)
class BytesPredicate:
    """The label's value read as a byte size, in any case."""

    name: str
    op: CompareOp
    value_bytes: int

    def __str__(self) -> str:
        return f"{self.name}{self.op.value}{format_exact_byte_size(self.value_bytes)}"


@dataclass(frozen=True, slots=True)
class AddressPredicate:
    """The label's value read as an address, within `pattern`; outside of it, or no address, where `negative`."""

    name: str
    negative: bool
    pattern: IpPattern

    def __str__(self) -> str:
        return f"{self.name}{'!=' if self.negative else '='}{self.pattern}"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every term (two at least, none of them an AllOf) holds."""

    terms: tuple[LabelPredicate, ...]

    def __str__(self) -> str:
        return f"( {' , '.join(map(str, self.terms))} )"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One term (two at least, none of them an AnyOf) holds."""

    terms: tuple[LabelPredicate, ...]

    def __str__(self) -> str:
        return f"( {' or '.join(map(str, self.terms))} )"


LabelPredicate: TypeAlias = (
    StringPredicate | NumberPredicate | DurationPredicate | BytesPredicate | AddressPredicate | AllOf | AnyOf
)
"""A test of labels."""


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """Keeps the entries whose labels pass `predicate`."""

    predicate: LabelPredicate
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"| {self.predicate}"


_COMPARE_OPS = {
    TokenKind.EQ: CompareOp.EQUAL,
    TokenKind.CMP_EQ: CompareOp.EQUAL,
    TokenKind.NEQ: CompareOp.NOT_EQUAL,
    TokenKind.GT: CompareOp.GREATER,
    TokenKind.GTE: CompareOp.GREATER_OR_EQUAL,
    TokenKind.LT: CompareOp.LESS,
    TokenKind.LTE: CompareOp.LESS_OR_EQUAL,
}
_STARTS = (TokenKind.IDENTIFIER, TokenKind.OPEN_PAREN)
_JOINTS = (TokenKind.OR, TokenKind.AND, TokenKind.COMMA)
_SIGNS = (TokenKind.ADD, TokenKind.SUB)


def parse_label_filter(tokens: TokenStream, start: int) -> LabelFilter:
    """Read a label filter, without its bar, which stands at `start`."""
    others = tokens.height
    predicate = _parse_predicate(tokens)
    tokens.reach(max(others, tokens.height))
    return LabelFilter(predicate, tokens.span_from(start))


def all_of(terms: Sequence[LabelPredicate]) -> LabelPredicate:
    """The conjunction of `terms`, one at least, in the form that nodes keep."""
    flat = tuple(inner for term in terms for inner in (term.terms if isinstance(term, AllOf) else (term,)))
    return flat[0] if len(flat) == 1 else AllOf(flat)


def any_of(terms: Sequence[LabelPredicate]) -> LabelPredicate:
    """The disjunction of `terms`, one at least, in the form that nodes keep."""
    flat = tuple(inner for term in terms for inner in (term.terms if isinstance(term, AnyOf) else (term,)))
    return flat[0] if len(flat) == 1 else AnyOf(flat)


def _parse_predicate(tokens: TokenStream) -> LabelPredicate:
    """Read as far as predicates go on. Lists, not recursion, hold long chains."""
    tokens.descend()
    before: list[LabelPredicate] = []
    alternatives: list[LabelPredicate] = []
    conjuncts = [_parse_term(tokens)]
    highest, has_conjunction = tokens.height, False
    while (kind := tokens.current.kind) in _JOINTS or kind in _STARTS:
        if kind in _JOINTS:
            tokens.take()
            if not tokens.at(*_STARTS):
                raise tokens.unexpected(*_STARTS)
        if kind is TokenKind.OR:
            alternatives.append(all_of(conjuncts))
            conjuncts = [_parse_term(tokens)]
        elif kind is TokenKind.AND:
            conjuncts.append(_parse_term(tokens))
        elif alternatives:
            conjuncts.append(_parse_predicate(tokens))
        else:
            before.extend(conjuncts)
            conjuncts = [_parse_term(tokens)]
        highest = max(highest, tokens.height)
        has_conjunction = has_conjunction or len(conjuncts) > 1
    tokens.ascend()
    tokens.reach(highest + has_conjunction + bool(alternatives) + bool(before))
    return all_of([*before, any_of([*alternatives, all_of(conjuncts)])])


def _parse_term(tokens: TokenStream) -> LabelPredicate:
    if tokens.accept(TokenKind.OPEN_PAREN):
        predicate = _parse_predicate(tokens)
        tokens.require(TokenKind.CLOSE_PAREN)
        return predicate
    tokens.reach(0)
    name = tokens.require(TokenKind.IDENTIFIER)
    op = tokens.current.kind
    if op not in _COMPARE_OPS and op not in MATCH_OPS:
        raise tokens.unexpected()
    tokens.take()
    if op in (TokenKind.RE, TokenKind.NRE):
        return StringPredicate(matcher_of(tokens, name, MATCH_OPS[op], tokens.expect(TokenKind.STRING)))
    if op in MATCH_OPS and tokens.at(TokenKind.STRING):
        return StringPredicate(matcher_of(tokens, name, MATCH_OPS[op], tokens.take()))
    if op in MATCH_OPS and tokens.at(TokenKind.IP):
        return _parse_address(tokens, name, op is TokenKind.NEQ)
    return _parse_comparison(tokens, name.text, _COMPARE_OPS[op])


def _parse_address(tokens: TokenStream, name: Token, negative: bool) -> AddressPredicate:
    tokens.take()
    text = parse_ip_call(tokens)
    try:
        return AddressPredicate(name.text, negative, parse_ip_pattern(text))
    except ValueError as error:
        stage = f"| {name.text}{'!=' if negative else '='}ip({quote(text)})"
        raise tokens.stage_refusal(stage, str(error), tokens.span_from(name.start)) from error


def _parse_comparison(tokens: TokenStream, name: str, op: CompareOp) -> LabelPredicate:
    token = tokens.current
    if token.kind is TokenKind.DURATION:
        return DurationPredicate(name, op, tokens.take().amount)
    if token.kind is TokenKind.BYTES:
        return BytesPredicate(name, op, tokens.take().amount)
    if token.kind is TokenKind.NUMBER:
        return NumberPredicate(name, op, parse_number(tokens))
    if token.kind not in _SIGNS:
        raise tokens.unexpected()
    value = parse_signed_number(tokens)
    if tokens.text[token.start : tokens.taken_end] == "-0":
        return DurationPredicate(name, op, 0)  # "-0" is the one duration that needs no unit
    return NumberPredicate(name, op, value)
