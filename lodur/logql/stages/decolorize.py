"""`| decolorize`: takes the terminal's colour sequences out of the line."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.selector import NO_SPAN
from lodur.logql.token_stream import TokenStream
from lodur.model.errors import Span


@dataclass(frozen=True, slots=True)
class Decolorize:
    """Strips ANSI control sequences from the line."""

    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return "| decolorize"


def parse_decolorize(tokens: TokenStream, start: int) -> Decolorize:
    """Read the stage from the word `decolorize` on; its bar stands at `start`."""
    tokens.take()
    return Decolorize(tokens.span_from(start))
