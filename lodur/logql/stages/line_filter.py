"""Line filters: `|= "text"`, `!~ "regexp"`, `|> "<_> pattern"`, `|= ip("10.0.0.0/8")`, each with `or` alternatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from lodur.logql.ip_pattern import IpPattern
from lodur.logql.pattern_expression import PatternPart
from lodur.logql.selector import NO_SPAN
from lodur.model.errors import Span
from lodur.model.go_strings import quote


class LineFilterOp(Enum):
    """How a line is tested; the value is the written form."""

    CONTAINS = "|="
    NOT_CONTAINS = "!="
    MATCHES = "|~"
    NOT_MATCHES = "!~"
    FITS = "|>"
    NOT_FITS = "!>"

    @property
    def is_negative(self) -> bool:
        return self in (LineFilterOp.NOT_CONTAINS, LineFilterOp.NOT_MATCHES, LineFilterOp.NOT_FITS)


@dataclass(frozen=True, slots=True)
class LineText:
    """Text to find, or the regular expression (unanchored, RE2) of `|~` and `!~`."""

    text: str

    def __str__(self) -> str:
        return quote(self.text)


@dataclass(frozen=True, slots=True)
class LinePattern:
    """The pattern of `|>` and `!>`; no `parts` stand for the empty line alone."""

    text: str
    parts: tuple[PatternPart, ...]

    def __str__(self) -> str:
        return quote(self.text)


@dataclass(frozen=True, slots=True)
class LineAddress:
    """Addresses to find in the line; with `|=` and `!=` alone."""

    pattern: IpPattern

    def __str__(self) -> str:
        return str(self.pattern)


LineOperand: TypeAlias = LineText | LinePattern | LineAddress
"""What a line is tested for."""


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Keeps a line if any of `operands` (one at least) is found; a negative `op` keeps it if none of them is."""

    op: LineFilterOp
    operands: tuple[LineOperand, ...]
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.op.value} {' or '.join(map(str, self.operands))}"
