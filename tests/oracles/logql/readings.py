"""Numbers, durations and sizes in label values, as Go's libraries read them; a ValueError carries their words."""

from __future__ import annotations

import re

from lodur.model.go_strings import quote

_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SPECIAL = re.compile(r"[+-]?(inf|infinity)|nan", re.IGNORECASE)
_DURATION_PART = re.compile(r"(\d*)(\.\d*)?([^\d.]*)")
_UNITS_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_SIZES = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtpe", 1):
    _SIZES |= {_letter: 1000**_power, f"{_letter}b": 1000**_power}
    _SIZES |= {f"{_letter}i": 1024**_power, f"{_letter}ib": 1024**_power}


def read_number(text: str) -> float:
    if _SPECIAL.fullmatch(text):
        return float(text)
    if not text.isascii() or not _FLOAT.fullmatch(text):
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax")
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: value out of range")
    return value


def read_duration_ns(text: str) -> int:
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError(f"time: invalid duration {quote(text)}")
    total_ns = 0
    while rest:
        found = _DURATION_PART.match(rest)
        assert found
        whole, fraction, unit = found.group(1), found.group(2) or "", found.group(3)
        if not whole and fraction in ("", "."):
            raise ValueError(f"time: invalid duration {quote(text)}")
        if not unit:
            raise ValueError(f"time: missing unit in duration {quote(text)}")
        if unit not in _UNITS_NS:
            raise ValueError(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
        total_ns += int(whole or "0") * _UNITS_NS[unit]
        if len(fraction) > 1:
            total_ns += int(int(fraction[1:]) * (_UNITS_NS[unit] / 10.0 ** (len(fraction) - 1)))
        rest = rest[found.end() :]
    return -total_ns if text[0] == "-" else total_ns


def read_bytes(text: str) -> int:
    found = re.match(r"[0-9.,]*", text)
    assert found
    value = read_number(found.group().replace(",", ""))
    unit = text[found.end() :].strip().lower()
    if unit not in _SIZES:
        raise ValueError(f"unhandled size name: {unit}")
    size = value * _SIZES[unit]
    if size >= 2**64 - 1:
        raise ValueError(f"too large: {text}")
    return int(size)
