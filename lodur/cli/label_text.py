"""Label sets as text: `{app="shop", env="prod"}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

Labels = Mapping[str, str]

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def format_labels(labels: Labels) -> str:
    """The label set in Loki's text form, names in order, values quoted so that they can be pasted into a query."""
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in sorted(labels.items())) + "}"


def quote(value: str) -> str:
    """A double-quoted string as LogQL reads it."""
    if value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    return '"' + "".join(map(_escape, value)) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def common_labels(label_sets: Iterable[Labels]) -> dict[str, str]:
    """The labels that every set has with the same value; none where there are no sets."""
    sets = iter(label_sets)
    common = dict(next(sets, {}))
    for labels in sets:
        common = {name: value for name, value in common.items() if labels.get(name) == value}
    return common
