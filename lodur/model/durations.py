"""Durations in nanoseconds: the Prometheus form `1h30m` and the Go form `1h30m0s`."""

from __future__ import annotations

import re
from decimal import Decimal

from lodur.model.go_strings import quote

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
NS_PER_MINUTE = 60 * NS_PER_S
NS_PER_HOUR = 60 * NS_PER_MINUTE

DURATION_NS_MAX = 2**63 - 1
"""Durations are signed 64-bit nanoseconds everywhere on the wire."""

_DAY_NS = 24 * NS_PER_HOUR
_PROMETHEUS_UNITS = {
    "y": 365 * _DAY_NS,
    "w": 7 * _DAY_NS,
    "d": _DAY_NS,
    "h": NS_PER_HOUR,
    "m": NS_PER_MINUTE,
    "s": NS_PER_S,
    "ms": NS_PER_MS,
}
_GO_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # micro sign
    "μs": 1_000,  # Greek mu, which Go reads too
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "m": NS_PER_MINUTE,
    "h": NS_PER_HOUR,
}
_PROMETHEUS_PART = re.compile(r"([0-9]*)([^0-9]*)")
_GO_PART = re.compile(r"([0-9]*(?:\.[0-9]*)?)([^0-9.]*)")
_DIGITS_MAX = 40
"""Longest number read: 2**63 has nineteen digits, the rest is leading zeros or a fraction below a nanosecond."""


def parse_prometheus_duration(text: str) -> int:
    """Nanoseconds of `5m`, `1d12h`, `0`; ValueError with the field's text for anything else."""
    if text == "0":
        return 0
    if not text:
        raise ValueError("empty duration string")
    total_ns, at, last_unit_ns = 0, 0, DURATION_NS_MAX
    while at < len(text):
        number, unit = _part(_PROMETHEUS_PART, text, at)
        if not number or not unit or len(number) > _DIGITS_MAX:
            raise ValueError(f"not a valid duration string: {quote(text)}")
        if unit not in _PROMETHEUS_UNITS:
            raise ValueError(f"unknown unit {quote(unit)} in duration {quote(text)}")
        if _PROMETHEUS_UNITS[unit] >= last_unit_ns:
            raise ValueError(f"not a valid duration string: {quote(text)}")
        last_unit_ns = _PROMETHEUS_UNITS[unit]
        total_ns += int(number) * last_unit_ns
        if total_ns > DURATION_NS_MAX:
            raise ValueError("duration out of range")
        at += len(number) + len(unit)
    return total_ns


def parse_go_duration(text: str) -> int:
    """Nanoseconds of `-1.5h`, `100µs`, `1h30m`; ValueError with Go's text for anything else."""
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return 0
    if not body:
        raise ValueError(f"time: invalid duration {quote(text)}")
    total_ns, at = 0, 0
    while at < len(body):
        number, unit = _part(_GO_PART, body, at)
        if not number.strip(".") or len(number) > _DIGITS_MAX:
            raise ValueError(f"time: invalid duration {quote(text)}")
        if not unit:
            raise ValueError(f"time: missing unit in duration {quote(text)}")
        if unit not in _GO_UNITS:
            raise ValueError(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
        total_ns += int(Decimal(number) * _GO_UNITS[unit])
        at += len(number) + len(unit)
    if total_ns > DURATION_NS_MAX:
        raise ValueError(f"time: invalid duration {quote(text)}")
    return -total_ns if text[0] == "-" else total_ns


def format_prometheus_duration(duration_ns: int) -> str:
    """`1d2h3m` with `w` and `y` only where they divide it exactly; whole milliseconds, the rest is cut off."""
    rest_ns = duration_ns - duration_ns % NS_PER_MS
    if rest_ns == 0:
        return "0s"
    parts: list[str] = []
    for unit, unit_ns in _PROMETHEUS_UNITS.items():
        count, left_ns = divmod(rest_ns, unit_ns)
        if count and (left_ns == 0 or unit not in ("y", "w")):
            parts.append(f"{count}{unit}")
            rest_ns = left_ns
    return "".join(parts)


def format_go_duration(duration_ns: int) -> str:
    """`5m0s`, `1.5s`, `100µs`, `0s`: what Go prints."""
    if duration_ns < 0:
        return "-" + format_go_duration(-duration_ns)
    if duration_ns == 0:
        return "0s"
    for unit in ("ns", "µs", "ms"):
        if duration_ns < 1_000 * _GO_UNITS[unit]:
            return _decimal(duration_ns, _GO_UNITS[unit]) + unit
    hours, rest_ns = divmod(duration_ns, NS_PER_HOUR)
    minutes, rest_ns = divmod(rest_ns, NS_PER_MINUTE)
    seconds = _decimal(rest_ns, NS_PER_S) + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _part(pattern: re.Pattern[str], text: str, at: int) -> tuple[str, str]:
    found = pattern.match(text, at)
    return (found.group(1), found.group(2)) if found else ("", "")


def _decimal(value_ns: int, unit_ns: int) -> str:
    whole, rest = divmod(value_ns, unit_ns)
    if rest == 0:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(unit_ns)) - 1).rstrip('0')}"
