"""Pattern expressions: `<ip> - <_> [<ts>]`, literals and captures in turn.

Used by the `pattern` parser (captures become labels) and the line filters `|>` and `!>` (every capture is `<_>`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

_CAPTURE = re.compile(r"<([A-Za-z_][A-Za-z0-9_]*)>")


@dataclass(frozen=True, slots=True)
class PatternLiteral:
    """Text that must stand here, byte for byte; never empty."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class PatternCapture:
    """Any text up to the next literal; `name` is the label that takes it, empty for `<_>`."""

    name: str

    def __str__(self) -> str:
        return f"<{self.name or '_'}>"


PatternPart: TypeAlias = PatternLiteral | PatternCapture
"""A piece of a pattern; two captures are never neighbours, nor two literals."""


def parse_label_pattern(text: str) -> tuple[PatternPart, ...]:
    """The pieces of a pattern that names labels; ValueError with the field's text if it cannot be one."""
    parts = _split(text)
    if not parts:
        raise ValueError("parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL")
    names = [part.name for part in parts if isinstance(part, PatternCapture) and part.name]
    if not names:
        raise ValueError("at least one capture is required")
    _refuse_neighbours(parts)
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"duplicate capture name ({name}): invalid expression")
        seen.add(name)
    return parts


def parse_line_pattern(text: str) -> tuple[PatternPart, ...]:
    """The pieces of a pattern without names; the empty pattern has none. ValueError with the field's text."""
    parts = _split(text)
    for part in parts:
        if isinstance(part, PatternCapture) and part.name:
            raise ValueError(f"named captures are not allowed: found '{part}'")
    _refuse_neighbours(parts)
    return parts


def _split(text: str) -> tuple[PatternPart, ...]:
    parts: list[PatternPart] = []
    end = 0
    for found in _CAPTURE.finditer(text):
        if found.start() > end:
            parts.append(PatternLiteral(text[end : found.start()]))
        name = found.group(1)
        parts.append(PatternCapture("" if name == "_" else name))
        end = found.end()
    if end < len(text):
        parts.append(PatternLiteral(text[end:]))
    return tuple(parts)


def _refuse_neighbours(parts: tuple[PatternPart, ...]) -> None:
    for part, following in pairwise(parts):
        if isinstance(part, PatternCapture) and isinstance(following, PatternCapture):
            raise ValueError(f"found consecutive capture '{part}{following}': invalid expression")
