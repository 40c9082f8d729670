"""`| json`: all members of a JSON object become labels, or only the named expressions."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.selector import NO_SPAN
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
