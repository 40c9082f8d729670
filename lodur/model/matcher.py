"""Matchers: one test of one label."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lodur.model.go_strings import quote


class MatchOp(Enum):
    """How a label is compared; a regular expression must match the whole value. The value is the written form."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCHES = "=~"
    NOT_MATCHES = "!~"

    @property
    def is_regexp(self) -> bool:
        return self in (MatchOp.MATCHES, MatchOp.NOT_MATCHES)

    @property
    def is_negative(self) -> bool:
        return self in (MatchOp.NOT_EQUAL, MatchOp.NOT_MATCHES)


@dataclass(frozen=True, slots=True)
class Matcher:
    """Test the label `name` (absent counts as empty) against `value`; prints as `name="value"`."""

    name: str
    op: MatchOp
    value: str

    def __str__(self) -> str:
        return f"{self.name}{self.op.value}{quote(self.value)}"
