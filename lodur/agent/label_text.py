"""Print a label set as the push protocol writes it: `{app="api", job="varlogs"}`."""

from __future__ import annotations

from collections.abc import Mapping

from lodur.agent.delivery import Labels

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def merge_labels(below: Labels, above: Labels) -> Labels:
    """Both label sets in one; `above` wins where both name a label."""
    return sort_labels({**dict(below), **dict(above)})


def sort_labels(pairs: Mapping[str, str]) -> Labels:
    """The label set of a mapping. A label with an empty value is no label."""
    return tuple(sorted((name, value) for name, value in pairs.items() if value))


def print_labels(labels: Labels) -> str:
    """The label set as text, in the order given."""
    return "{" + ", ".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}"


def _escape(value: str) -> str:
    if value.isprintable() and "\\" not in value and '"' not in value:
        return value
    return "".join(_ESCAPES.get(char) or (char if char.isprintable() else _code(char)) for char in value)


def _code(char: str) -> str:
    point = ord(char)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
