"""`| json`: all members of a JSON object become labels, or only the named expressions."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.json_path import parse_json_path
from lodur.logql.selector import NO_SPAN
from lodur.logql.stages.extractions import format_extractions, parse_extractions
from lodur.logql.token_stream import TokenStream
from lodur.model.errors import Span
from lodur.model.go_strings import quote


@dataclass(frozen=True, slots=True)
class JsonExtraction:
    """The label `name` takes what lies at `path` (object keys and array positions, from the top).

    `expression` is the path as it was written.
    """

    name: str
    expression: str
    path: tuple[str | int, ...]

    def __str__(self) -> str:
        return f"{self.name}={quote(self.expression)}"


@dataclass(frozen=True, slots=True)
class JsonParser:
    """Reads the line as JSON; without `extractions` every member is flattened into a label."""

    extractions: tuple[JsonExtraction, ...] = ()
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return " ".join(("| json", ",".join(map(str, self.extractions)))).rstrip()


def parse_json_parser(tokens: TokenStream, start: int) -> JsonParser:
    """Read the stage from the word `json` on; its bar stands at `start`."""
    tokens.take()
    written = parse_extractions(tokens)
    span = tokens.span_from(start)
    try:
        extractions = tuple(JsonExtraction(name, text, parse_json_path(text)) for name, text in written)
    except ValueError as error:
        raise tokens.stage_refusal(f"| json {format_extractions(written)}", str(error), span) from error
    return JsonParser(extractions, span)
