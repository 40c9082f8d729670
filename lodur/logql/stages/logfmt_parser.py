"""`| logfmt`: `key=value` pairs become labels, all or only the named ones."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lodur.logql.selector import NO_SPAN
from lodur.logql.stages.extractions import format_extractions, parse_extractions
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.model.errors import Span
from lodur.model.go_strings import quote

_NOT_IN_KEY = re.compile(r"[^A-Za-z0-9_]")


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


def parse_logfmt_parser(tokens: TokenStream, start: int) -> LogfmtParser:
    """Read the stage from the word `logfmt` on; its bar stands at `start`."""
    tokens.take()
    flags: set[str] = set()
    while flag := tokens.accept(TokenKind.FUNCTION_FLAG):
        flags.add(flag.text)
    written = parse_extractions(tokens)
    span = tokens.span_from(start)
    extractions = tuple(LogfmtExtraction(name, key.strip()) for name, key in written)
    stage = LogfmtParser("--strict" in flags, "--keep-empty" in flags, extractions, span)
    try:
        for _, key in written:
            _refuse_key(key)
    except ValueError as error:
        raise tokens.stage_refusal(f"| logfmt {format_extractions(written)}", str(error), span) from error
    return stage


def _refuse_key(key: str) -> None:
    """ValueError with the field's text if `key` is not one plain key."""
    words = key.split()
    if not words:
        raise ValueError(f"cannot parse expression [{key}]: syntax error: unexpected $end, expecting KEY")
    for word in words:
        if found := _NOT_IN_KEY.search(word):
            raise ValueError(f"cannot parse expression [{key}]: unexpected char {found.group()}")
    if len(words) > 1:
        raise ValueError(f"cannot parse expression [{key}]: syntax error: unexpected KEY")
