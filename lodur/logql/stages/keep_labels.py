"""`| keep a, b="v"`: remove all other labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.selector import NO_SPAN
from lodur.logql.stages.label_targets import parse_label_targets
from lodur.logql.token_stream import TokenStream
from lodur.model.errors import Span
from lodur.model.matcher import Matcher


@dataclass(frozen=True, slots=True)
class KeepLabels:
    """Keeps only the labels of `targets` (a matcher: where the label's value passes it) and the error labels."""

    targets: tuple[str | Matcher, ...]
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"| keep {','.join(map(str, self.targets))}"


def parse_keep_labels(tokens: TokenStream, start: int) -> KeepLabels:
    """Read the stage from the word `keep` on; its bar stands at `start`."""
    tokens.take()
    return KeepLabels(parse_label_targets(tokens), tokens.span_from(start))
