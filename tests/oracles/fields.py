"""A twin of `lodur.kernels.fields`: one line at a time, with Python's own JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_DURATION = re.compile(
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h)(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h))*"
)
_BYTES = re.compile(r"[0-9]+(\.[0-9]+)?([kmgtpe]i?b?|b)?", re.IGNORECASE)
_TYPES = ("int", "float", "boolean", "duration", "bytes")


@dataclass
class TwinField:
    parsers: list[str] = field(default_factory=list)
    path: list[str] | None = None
    values: list[str] = field(default_factory=list)

    def kind(self) -> str:
        told = [value for value in self.values if value]
        return next((kind for kind in _TYPES if told and all(_is(kind, value) for value in told)), "string")


def detect(lines: list[str], stream_names: set[str]) -> dict[str, TwinField]:
    """The fields of lines without structured metadata, by name."""
    found: dict[str, TwinField] = {}
    for line in lines:
        seen: set[str] = set()
        for name, value, parser, path in _finds(line):
            if name in seen:
                continue
            seen.add(name)
            known = found.setdefault(f"{name}_extracted" if name in stream_names else name, TwinField())
            known.values.append(value)
            known.parsers += [] if parser in known.parsers else [parser]
            known.path = path if known.path is None else known.path
    return found


def _finds(line: str) -> Iterator[tuple[str, str, str, list[str] | None]]:
    try:
        read = json.loads(line, parse_int=str, parse_float=str, object_pairs_hook=_Pairs)
    except ValueError:
        read = None
    if isinstance(read, _Pairs):
        yield from _members(read, [], "")
        return
    for word in line.split():
        name, _, value = word.partition("=")
        if value:
            yield _sanitised(name), value, "logfmt", None


class _Pairs(list[tuple[str, object]]):
    """An object's members in their order."""


def _members(pairs: _Pairs, path: list[str], prefix: str) -> Iterator[tuple[str, str, str, list[str]]]:
    for key, value in pairs:
        name = prefix + _sanitised(key, first=not prefix)
        if isinstance(value, _Pairs):
            yield from _members(value, [*path, key], f"{name}_")
        elif isinstance(value, bool):
            yield name, str(value).lower(), "json", [*path, key]
        elif isinstance(value, str):
            yield name, value, "json", [*path, key]


def _sanitised(key: str, *, first: bool = True) -> str:
    name = re.sub(r"[^A-Za-z0-9_]", "_", key)
    return f"_{name}" if first and name[:1].isdigit() else name


def _is(kind: str, value: str) -> bool:
    match kind:
        case "int":
            return re.fullmatch(r"[+-]?[0-9]+", value) is not None and abs(int(value)) < 2**63
        case "float":
            return re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", value) is not None
        case "boolean":
            return value in ("true", "false", "True", "False", "TRUE", "FALSE")
        case "duration":
            return value in ("0", "-0", "+0") or _DURATION.fullmatch(value) is not None
        case _:
            return _BYTES.fullmatch(value) is not None
