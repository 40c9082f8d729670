"""Label filters: `| level="error"`, `| status >= 500 and took > 1s`, `| addr = ip("10.0.0.0/8")`.

Precedence: `and` binds tighter than `or`; a comma, or nothing at all, between two predicates means "and" and
takes everything on its right first, so `a or b, c or d` is `a or (b and (c or d))`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from lodur.logql.ip_pattern import IpPattern
from lodur.logql.numbers import format_number
from lodur.logql.selector import NO_SPAN
from lodur.model.byte_size import format_exact_byte_size
from lodur.model.durations import format_go_duration
from lodur.model.errors import Span
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
