"""`| unpack`: undoes an agent's packing, where `_entry` holds the line and the other members were labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.selector import NO_SPAN
from lodur.logql.token_stream import TokenStream
from lodur.model.errors import Span


@dataclass(frozen=True, slots=True)
class UnpackParser:
    """Makes labels of the string members of a JSON object, and the line of its member `_entry`."""

    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return "| unpack"


def parse_unpack_parser(tokens: TokenStream, start: int) -> UnpackParser:
    """Read the stage from the word `unpack` on; its bar stands at `start`."""
    tokens.take()
    return UnpackParser(tokens.span_from(start))
