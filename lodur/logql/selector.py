"""Stream selectors: `{app="api", env=~"prod|stage"}`."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.model.errors import Span
from lodur.model.matcher import Matcher

NO_SPAN = Span(0, 0)
"""The span of a node that was not read from a text."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Chooses streams: all `matchers` must hold, in the order written."""

    matchers: tuple[Matcher, ...]
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return "{" + ", ".join(map(str, self.matchers)) + "}"
