"""The kinds of values that settings have: how each is read from a YAML node or a flag, and how it is shown.

Texts for wrong types are those of Loki's YAML library (`cannot unmarshal !!str `abc` into int`), followed by what would
be accepted. Records (lists of structures) are in `records`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar, assert_never
from urllib.parse import urlsplit

from lodur.config.errors import BadValue, Problem
from lodur.config.yaml_nodes import (
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    YamlError,
    is_null,
    parse_yaml,
    plain_scalar,
    scalar,
)
from lodur.model.byte_size import parse_byte_size
from lodur.model.durations import parse_go_duration, parse_prometheus_duration

MASK = "********"
"""Shown instead of a secret."""

SHOWN_CHARS_MAX = 200
"""Longest part of a wrong value that a message repeats."""

FLOAT_MAX = 1e12
"""Largest fraction or rate: in MiB it still fits into 64 bits of bytes, and nothing needs as much."""

T_co = TypeVar("T_co", covariant=True)

_INT = re.compile(r"[+-]?(0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
"""How a time begins: ISO 8601 has other forms, of which 20240101 is a number in YAML."""
_DECIMAL_UNIT = re.compile(r"([kmgtpe])b?[ ]*$", re.IGNORECASE)
_TRUE = frozenset({"true", "yes", "on", "y"})
_FALSE = frozenset({"false", "no", "off", "n"})


def _unmasked(node: Node) -> Node:
    return node


@dataclass(frozen=True, slots=True)
class IgnoredPart:
    """A key inside a value that has no effect."""

    path: str
    """Below the setting."""
    line: int
    reason: str


def _nothing_ignored(_: Node) -> Sequence[IgnoredPart]:
    return ()


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """A kind of value; `name` is what the reference page calls it."""

    name: str
    parse: Callable[[Node], T_co]
    """The value; BadValue says what is wrong."""
    node_of: Callable[[str], Node]
    """The node of a flag's text; BadValue where it is none."""
    masked: Callable[[Node], Node] = _unmasked
    """The node as it may be shown."""
    ignored: Callable[[Node], Sequence[IgnoredPart]] = _nothing_ignored
    """What of a value that was parsed has no effect."""


def wrong_type(node: Node, go_type: str, hint: str = "", *, secret: bool = False) -> BadValue:
    """The error for a node that cannot become a `go_type`."""
    match node:
        case ScalarNode(text=text, tag=tag):
            shown = f"{tag} `{MASK if secret else text[:SHOWN_CHARS_MAX]}`"
        case SequenceNode():
            shown = "!!seq"
        case MappingNode():
            shown = "!!map"
        case _:
            assert_never(node)
    text = f"cannot unmarshal {shown} into {go_type}"
    return BadValue(Problem(node.line, f"{text} ({hint})" if hint else text))


def _scalar_text(node: Node, go_type: str, *, secret: bool = False) -> str:
    if not isinstance(node, ScalarNode):
        raise wrong_type(node, go_type, secret=secret)
    return "" if is_null(node) else node.text


def _parse_bool(node: Node) -> bool:
    if isinstance(node, ScalarNode) and node.tag == "!!bool":
        word = node.text.lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    raise wrong_type(node, "bool", "use true or false")


def _bool_node(text: str) -> Node:
    word = {"1": "true", "t": "true", "0": "false", "f": "false"}.get(text.lower(), text)
    return plain_scalar(word)


BOOL = Kind("boolean", _parse_bool, _bool_node)


def int_kind(least: int, most: int) -> Kind[int]:
    """Whole numbers from `least` to `most`."""

    def parse(node: Node) -> int:
        if not isinstance(node, ScalarNode) or node.tag != "!!int" or not _INT.fullmatch(node.text):
            raise wrong_type(node, "int", "use a whole number")
        value = int(node.text)
        if not least <= value <= most:
            raise BadValue(Problem(node.line, f"{value} is out of range, use {least} to {most}"))
        return value

    return Kind("integer", parse, plain_scalar)


COUNT = int_kind(0, 2**31 - 1)
"""A number of things."""

POSITIVE = int_kind(1, 2**31 - 1)
"""A number of things of which there must be one."""

PORT = int_kind(0, 65535)
"""A TCP port; 0 lets the system choose."""


def _parse_float(node: Node) -> float:
    if isinstance(node, ScalarNode) and node.tag in ("!!int", "!!float") and _FLOAT.fullmatch(node.text):
        value = float(node.text)
        if 0 <= value <= FLOAT_MAX:
            return value
    raise wrong_type(node, "float64", f"use a number from 0 to {FLOAT_MAX:g}")


FLOAT = Kind("float", _parse_float, plain_scalar)


def _parse_text(node: Node) -> str:
    return _scalar_text(node, "string")


TEXT = Kind("string", _parse_text, scalar)


def _mask_scalar(node: Node) -> Node:
    return scalar(MASK) if not (isinstance(node, ScalarNode) and not node.text) else node


def _parse_secret(node: Node) -> str:
    return _scalar_text(node, "string", secret=True)


SECRET = Kind("secret", _parse_secret, scalar, _mask_scalar)


def _mask_url(node: Node) -> Node:
    if not isinstance(node, ScalarNode):
        return scalar(MASK)
    return scalar(mask_url(node.text))


def mask_url(url: str) -> str:
    """The URL without its credentials; all of it is hidden where it cannot be taken apart."""
    if "@" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    if "@" not in parts.netloc:
        return MASK
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{MASK}@{host}").geturl()


SECRET_URL = Kind("URL with credentials", _parse_secret, scalar, _mask_url)


def choice(*names: str) -> Kind[str]:
    """One of some words."""

    def parse(node: Node) -> str:
        text = _scalar_text(node, "string")
        if text not in names:
            accepted = ", ".join(names)
            raise BadValue(Problem(node.line, f"unrecognized value '{text[:SHOWN_CHARS_MAX]}', use one of {accepted}"))
        return text

    return Kind(" \\| ".join(name or '""' for name in names), parse, scalar)


def _duration_ns(node: Node) -> int:
    text = _scalar_text(node, "time.Duration")
    try:
        return parse_prometheus_duration(text)
    except ValueError:
        pass
    try:
        return parse_go_duration(text)
    except ValueError:
        raise wrong_type(node, "time.Duration", "use a duration such as 30s, 5m, 1h30m, 7d") from None


def _duration_kind(least_ns: int, wanted: str) -> Kind[int]:
    def parse(node: Node) -> int:
        duration_ns = _duration_ns(node)
        if duration_ns < least_ns:
            raise wrong_type(node, "time.Duration", f"use a duration {wanted}")
        return duration_ns

    return Kind("duration", parse, plain_scalar)


DURATION = _duration_kind(0, "that is not negative")
"""Nanoseconds of a Prometheus duration (`7d`, `1h30m`) or a Go duration (`1.5h`)."""

POSITIVE_DURATION = _duration_kind(1, "longer than 0")
"""A duration of which there must be some: periods of loops, time limits that mean nothing at 0."""

SIGNED_DURATION = _duration_kind(-(2**63), "")
"""A duration that may be negative."""


def _size_kind(least: int) -> Kind[int]:
    def parse(node: Node) -> int:
        text = _scalar_text(node, "flagext.ByteSize").strip()
        try:
            size = parse_byte_size(_DECIMAL_UNIT.sub(r"\1iB", text))
        except ValueError:
            raise wrong_type(node, "flagext.ByteSize", "use a size such as 512KB, 64MiB, 1.5GB") from None
        if not least <= size <= SIZE_MAX:
            raise wrong_type(node, "flagext.ByteSize", f"use {least} bytes to 8 EiB")
        return size

    return Kind("size", parse, plain_scalar)


SIZE_MAX = 2**63 - 1
"""Sizes are signed 64-bit numbers where they are compared."""

SIZE = _size_kind(0)
"""Bytes of `256KB`, `1.5MB`, `64KiB` or a bare number; KB, MB and so on are powers of 1024 in configuration files."""

POSITIVE_SIZE = _size_kind(1)
"""A size of which there must be some."""


def _parse_time(node: Node) -> int:
    text = _scalar_text(node, "flagext.Time")
    if text in ("", "0"):
        return 0
    try:
        if not _DATE.match(text):
            raise ValueError(text)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp()) * 10**9
    except (ValueError, OverflowError):
        raise wrong_type(node, "flagext.Time", "use a time such as 2026-01-31T15:04:05Z") from None


TIME = Kind("time", _parse_time, plain_scalar)
"""Nanoseconds since the epoch of an RFC3339 time; 0 for none."""


def _parse_texts(node: Node) -> tuple[str, ...]:
    if isinstance(node, SequenceNode):
        return tuple(_scalar_text(item, "string") for item in node.items)
    if isinstance(node, ScalarNode):
        return tuple(part for part in (piece.strip() for piece in node.text.split(",")) if part and not is_null(node))
    raise wrong_type(node, "[]string", "use a list of strings")


def _flow_node(text: str) -> Node:
    """A flag's text where a list or map is wanted: YAML in flow form."""
    try:
        return parse_yaml(text) or scalar("")
    except YamlError as error:
        raise BadValue(Problem(0, error.problem)) from error


def _texts_node(text: str) -> Node:
    return _flow_node(text) if text.startswith("[") else scalar(text)


TEXTS = Kind("list of strings", _parse_texts, _texts_node)
"""A YAML list; a single string is split at commas."""


def _parse_text_map(node: Node) -> tuple[tuple[str, str], ...]:
    if not isinstance(node, MappingNode):
        raise wrong_type(node, "map[string]string", "use a map of strings")
    return tuple((key.text, _scalar_text(value, "string")) for key, value in node.entries)


TEXT_MAP = Kind("map of strings", _parse_text_map, _flow_node)


def _parse_anything(node: Node) -> Node:
    return node


ANYTHING = Kind("any", _parse_anything, _flow_node)
"""Not looked at: for settings that are ignored."""
