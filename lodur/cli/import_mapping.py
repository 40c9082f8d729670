"""How the members of a record become an entry: which one is the time, the line, a label, structured metadata."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal
from enum import Enum

import msgspec

from lodur.cli.times import parse_time_ns
from lodur.model.durations import NS_PER_MS, NS_PER_S
from lodur.model.label_set import LabelSet

NS_PER_US = 1000

DEFAULT_LABELS = LabelSet((("job", "lodur-import"),))
"""Of entries that bring none and are given none: a stream must have one."""

TIME_NS_MAX = 2**63 - 1

LABELS_FIELD = "labels"
METADATA_FIELD = "structured_metadata"


class TimestampFormat(Enum):
    """How times are written; the value is the word of `--timestamp-format`."""

    AUTO = "auto"
    RFC3339 = "rfc3339"
    UNIX = "unix"
    UNIX_MS = "unix_ms"
    UNIX_US = "unix_us"
    UNIX_NS = "unix_ns"


_UNIT_NS = {
    TimestampFormat.UNIX: NS_PER_S,
    TimestampFormat.UNIX_MS: NS_PER_MS,
    TimestampFormat.UNIX_US: NS_PER_US,
    TimestampFormat.UNIX_NS: 1,
}

_GUESSED = ((10**11, NS_PER_S), (10**14, NS_PER_MS), (10**17, NS_PER_US))
"""A number below the bound is of this unit, for any time from 1973 to 5138."""

_NUMBER = re.compile(r"-?\d{1,19}(\.\d{1,18})?", re.ASCII)
_SECOND_CHARS = len("2026-01-31T08:00:00")
_FRACTION = re.compile(r"\.\d{1,9}", re.ASCII)
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]", re.ASCII)


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """What the options say. Names of fields may lead into nested objects, with dots."""

    timestamp: str | None = None
    timestamp_format: TimestampFormat = TimestampFormat.AUTO
    line: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    """Names of labels, and the fields that have their values."""
    metadata: tuple[tuple[str, str], ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Labels of every entry."""

    @property
    def says_nothing(self) -> bool:
        """Whether records are taken by their own shape."""
        return not (self.timestamp or self.line or self.labels or self.metadata)

    def named_label_set(self, own: Mapping[str, str]) -> LabelSet:
        """`label_set`, after names that are none were made fit."""
        return self.label_set({label_name(name): value for name, value in own.items()})

    def label_set(self, own: Mapping[str, str]) -> LabelSet:
        """The labels of an entry that brings some; empty values are no labels."""
        merged = {name: value for name, value in {**own, **self.fixed}.items() if value}
        return LabelSet.of(merged) if merged else DEFAULT_LABELS


def label_name(text: str) -> str:
    """A name that a label may have."""
    name = _NOT_IN_NAMES.sub("_", text)
    return f"_{name}" if name[:1].isdigit() or not name else name


def text_of(value: object) -> str | None:
    """A member's value as text; None for none."""
    match value:
        case None:
            return None
        case str():
            return value
        case _:
            return msgspec.json.encode(value).decode()


def member(record: Mapping[str, object], path: str) -> object:
    """The value at a path; None where there is none."""
    if path in record:
        return record[path]
    value: object = record
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def texts_of(value: object) -> dict[str, str]:
    """An object whose values are text, such as the labels of an entry; raises ValueError for anything else."""
    if value is None:
        return {}
    pairs = value.items() if isinstance(value, Mapping) else value if isinstance(value, list) else None
    if pairs is None:
        raise ValueError("labels and structured metadata are objects of names and texts")
    texts: dict[str, str] = {}
    for name, inner in pairs:
        text = text_of(inner)
        if text is not None:
            texts[str(name)] = text
    return texts


def timestamp_ns(value: object, form: TimestampFormat) -> int:
    """A time in nanoseconds since the epoch; raises ValueError for what is none."""
    ts_ns = _timestamp_ns(value, form)
    if not 0 <= ts_ns <= TIME_NS_MAX:
        raise ValueError(f"the time {value!r} lies outside of 1970 to 2262")
    return ts_ns


@functools.lru_cache(maxsize=4096)
def _utc_second(text: str) -> int:
    """A second of RFC 3339 without its zone; lines of a log share it with many others."""
    return parse_time_ns(f"{text}Z", now_ns=0, zone=UTC)


def _utc_ns(text: str) -> int | None:
    """A time as it is commonly written, `2026-01-31T08:00:00.123Z`; None for any other form."""
    second, fraction = text[:_SECOND_CHARS], text[_SECOND_CHARS:-1]
    if text[-1:] != "Z" or len(second) < _SECOND_CHARS or not (fraction == "" or _FRACTION.fullmatch(fraction)):
        return None
    return _utc_second(second) + int(fraction[1:].ljust(9, "0"))


def _timestamp_ns(value: object, form: TimestampFormat) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is not a time")
    if isinstance(value, str) and (common := _utc_ns(value)) is not None:
        return common
    if isinstance(value, str) and (form is TimestampFormat.RFC3339 or not _NUMBER.fullmatch(value)):
        if not value[:1].isdigit():
            raise ValueError(f"'{value}' is not a time")
        return parse_time_ns(value, now_ns=0, zone=UTC)
    if form is TimestampFormat.RFC3339:
        raise ValueError(f"{value!r} is not a time of RFC 3339")
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError(f"{value!r} is not a time")
    unit_ns = _UNIT_NS.get(form) or next((unit for bound, unit in _GUESSED if abs(number) < bound), 1)
    return int(number * unit_ns)
