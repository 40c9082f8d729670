"""`| pattern "<ip> - <_>"`: captures between literals become labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.pattern_expression import PatternPart
from lodur.logql.selector import NO_SPAN
from lodur.model.errors import Span
from lodur.model.go_strings import quote


@dataclass(frozen=True, slots=True)
class PatternParser:
    """Walks the line along `parts` from its start; `expression` is what was written."""

    expression: str
    parts: tuple[PatternPart, ...]
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"| pattern {quote(self.expression)}"
