"""`| regexp "(?P<name>...)"`: named groups become labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.selector import NO_SPAN
from lodur.model.errors import Span
from lodur.model.go_strings import quote


@dataclass(frozen=True, slots=True)
class RegexpParser:
    """Matches the line against `regexp` (unanchored, RE2); `names` are its named groups, in order, one at least."""

    regexp: str
    names: tuple[str, ...]
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"| regexp {quote(self.regexp)}"
