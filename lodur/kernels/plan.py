"""The plan message of a LogQL pipeline. Mirrors rust/lodur-kernels/src/pipeline/plan.rs field by field.

Values only: regular expressions, patterns and paths are texts, compiled and checked on the Rust side. Building a plan
from a syntax tree is left to the planner.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

PIPELINE_PLAN_VERSION = 1
"""Raised with every change of meaning or shape; both sides refuse any other."""


class LineFilterOp(StrEnum):
    """`|=`, `!=`, `|~`, `!~`, `|>`, `!>`."""

    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    MATCHES = "matches"
    NOT_MATCHES = "not_matches"
    PATTERN = "pattern"
    NOT_PATTERN = "not_pattern"


class MatchOp(StrEnum):
    """`=`, `!=`, `=~`, `!~` on a whole value."""

    EQUAL = "equal"
    NOT_EQUAL = "not_equal"
    REGEX = "regex"
    NOT_REGEX = "not_regex"


class CompareOp(StrEnum):
    """How a label's number is compared."""

    EQUAL = "equal"
    NOT_EQUAL = "not_equal"
    GREATER = "greater"
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS = "less"
    LESS_OR_EQUAL = "less_or_equal"


class Conversion(StrEnum):
    """How `unwrap` reads its label; `DURATION_SECONDS` stands for `duration` and `duration_seconds`."""

    NUMBER = "number"
    DURATION_SECONDS = "duration_seconds"
    BYTES = "bytes"


class LineText(msgspec.Struct, frozen=True, tag="text"):
    """A literal, regular expression or pattern, as the filter's operator says."""

    value: str


class LineIp(msgspec.Struct, frozen=True, tag="ip"):
    """An address, network or range of `ip("…")`; only with `CONTAINS` and `NOT_CONTAINS`."""

    value: str


class LineFilter(msgspec.Struct, frozen=True, tag="line_filter"):
    """The operands of an `or` chain, at least one."""

    op: LineFilterOp
    matches: tuple[LineText | LineIp, ...]


class Extraction(msgspec.Struct, frozen=True):
    """`name="expression"` of `json` and `logfmt`."""

    name: str
    expression: str


class Json(msgspec.Struct, frozen=True, tag="json"):
    """All labels of a JSON line, or only the extractions."""

    extractions: tuple[Extraction, ...] = ()


class Logfmt(msgspec.Struct, frozen=True, tag="logfmt"):
    """All labels of a logfmt line, or only the extractions."""

    strict: bool = False
    keep_empty: bool = False
    extractions: tuple[Extraction, ...] = ()


class Regexp(msgspec.Struct, frozen=True, tag="regexp"):
    """Labels from the named groups of an expression."""

    expression: str


class Pattern(msgspec.Struct, frozen=True, tag="pattern"):
    """Labels from the captures of a pattern."""

    expression: str


class Unpack(msgspec.Struct, frozen=True, tag="unpack"):
    """Undoes an agent's packing."""


class And(msgspec.Struct, frozen=True, tag="and"):
    """All operands hold; errors are set from left to right."""

    operands: tuple[LabelPredicate, ...]


class Or(msgspec.Struct, frozen=True, tag="or"):
    """One operand holds."""

    operands: tuple[LabelPredicate, ...]


class Match(msgspec.Struct, frozen=True, tag="match"):
    """The text of a label; a missing one is empty."""

    name: str
    op: MatchOp
    value: str


class Number(msgspec.Struct, frozen=True, tag="number"):
    """A label read as a floating-point number."""

    name: str
    op: CompareOp
    value: float


class Duration(msgspec.Struct, frozen=True, tag="duration"):
    """A label read as a Go duration."""

    name: str
    op: CompareOp
    value_ns: int


class Bytes(msgspec.Struct, frozen=True, tag="bytes"):
    """A label read as a byte size."""

    name: str
    op: CompareOp
    value_bytes: int


class Ip(msgspec.Struct, frozen=True, tag="ip"):
    """A label read as an address, tested against an address, network or range."""

    name: str
    negated: bool
    value: str


LabelPredicate: TypeAlias = And | Or | Match | Number | Duration | Bytes | Ip
"""A node of a label filter."""


class LabelFilter(msgspec.Struct, frozen=True, tag="label_filter"):
    """Rows pass that fulfil the predicate, or that an error keeps."""

    filter: LabelPredicate


class ValueMatcher(msgspec.Struct, frozen=True):
    """A test of a value."""

    op: MatchOp
    value: str


class LabelTarget(msgspec.Struct, frozen=True):
    """A member of `drop` or `keep`; with a matcher only where the value passes it."""

    name: str
    matcher: ValueMatcher | None = None


class Drop(msgspec.Struct, frozen=True, tag="drop"):
    """Removes the targets."""

    targets: tuple[LabelTarget, ...]


class Keep(msgspec.Struct, frozen=True, tag="keep"):
    """Removes all labels but the targets, never errors."""

    targets: tuple[LabelTarget, ...]


class Decolorize(msgspec.Struct, frozen=True, tag="decolorize"):
    """Strips ANSI escape sequences from the line."""


class LineFormat(msgspec.Struct, frozen=True, tag="line_format"):
    """Replaces the line by what a template makes of the labels."""

    template: str


class Rename(msgspec.Struct, frozen=True, tag="rename"):
    """`name` takes the value of `source`, which goes."""

    name: str
    source: str


class Template(msgspec.Struct, frozen=True, tag="template"):
    """`name` takes what a template makes of the labels."""

    name: str
    template: str


class LabelFormat(msgspec.Struct, frozen=True, tag="label_format"):
    """Sets labels; each name at most once."""

    changes: tuple[Rename | Template, ...]


Stage: TypeAlias = (
    LineFilter
    | Json
    | Logfmt
    | Regexp
    | Pattern
    | Unpack
    | LabelFilter
    | Drop
    | Keep
    | Decolorize
    | LineFormat
    | LabelFormat
)
"""One step of a pipeline."""


class Unwrap(msgspec.Struct, frozen=True):
    """The label whose value is the sample, and the label filters after it."""

    name: str
    conversion: Conversion = Conversion.NUMBER
    filters: tuple[LabelPredicate, ...] = ()


class PipelinePlan(msgspec.Struct, frozen=True):
    """The stages in the order of the query text."""

    stages: tuple[Stage, ...] = ()
    unwrap: Unwrap | None = None
    version: int = PIPELINE_PLAN_VERSION


def encode(plan: PipelinePlan) -> bytes:
    """The MessagePack message of a plan."""
    return msgspec.msgpack.encode(plan)


def decode(message: bytes) -> PipelinePlan:
    """The plan of a message. Raises msgspec.ValidationError if it has another shape."""
    return msgspec.msgpack.decode(message, type=PipelinePlan)
