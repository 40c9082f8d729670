"""`| logfmt`: `key=value` pairs become labels, all or only the named ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.selector import NO_SPAN
from lodur.model.errors import Span
from lodur.model.go_strings import quote


@dataclass(frozen=True, slots=True)
class LogfmtExtraction:
    """The label `name` takes the value of `key`."""

    name: str
    key: str

    def __str__(self) -> str:
        return f"{self.name}={quote(self.key)}"


@dataclass(frozen=True, slots=True)
class LogfmtParser:
    """Reads the line as logfmt; `strict` stops with an error label at the first defect instead of passing over it,
    `keep_empty` makes labels of keys without a value too."""

    strict: bool = False
    keep_empty: bool = False
    extractions: tuple[LogfmtExtraction, ...] = ()
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        flags = (" --strict" if self.strict else "") + (" --keep-empty" if self.keep_empty else "")
        return f"| logfmt{flags} {','.join(map(str, self.extractions))}".rstrip()
