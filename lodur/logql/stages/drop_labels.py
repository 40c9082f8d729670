"""`| drop a, b="v"`: remove labels, always or where the value matches."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.selector import NO_SPAN
from lodur.model.errors import Span
from lodur.model.matcher import Matcher


@dataclass(frozen=True, slots=True)
class DropLabels:
    """Removes each label of `targets`: a bare name always, a matcher where the label's value passes it."""

    targets: tuple[str | Matcher, ...]
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"| drop {','.join(map(str, self.targets))}"
