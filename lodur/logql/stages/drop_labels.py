"""`| drop a, b="v"`: remove labels, always or where the value matches."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.selector import NO_SPAN
from lodur.logql.stages.label_targets import parse_label_targets
from lodur.logql.token_stream import TokenStream
from lodur.model.errors import Span
from lodur.model.matcher import Matcher


@dataclass(frozen=True, slots=True)
class DropLabels:
    """Removes each label of `targets`: a bare name always, a matcher where the label's value passes it."""

    targets: tuple[str | Matcher, ...]
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"| drop {','.join(map(str, self.targets))}"


def parse_drop_labels(tokens: TokenStream, start: int) -> DropLabels:
    """Read the stage from the word `drop` on; its bar stands at `start`."""
    tokens.take()
    return DropLabels(parse_label_targets(tokens), tokens.span_from(start))
