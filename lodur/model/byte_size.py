"""Byte sizes: `5MB`, `64KiB`; powers of 1000, or of 1024 where an `i` stands."""

from __future__ import annotations

import re
from decimal import Decimal

from lodur.model.go_strings import quote

BYTES_MAX = 2**64 - 1
"""Sizes are unsigned 64-bit numbers everywhere on the wire."""

_LETTERS = "kmgtpe"
_UNITS = {
    "": 1,
    "b": 1,
    **{letter + end: 1000 ** (power + 1) for power, letter in enumerate(_LETTERS) for end in ("", "b")},
    **{letter + end: 1024 ** (power + 1) for power, letter in enumerate(_LETTERS) for end in ("i", "ib")},
}
_SIZE = re.compile(r"([0-9][0-9,]{0,30}(?:\.[0-9]{0,30})?)[ ]*([a-zA-Z]*)[ ]*")
_PRINTED = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def parse_byte_size(text: str) -> int:
    """Bytes of `5MB`, `1.5 gib`, `42`, in any case; fractions of a byte are cut off. ValueError for anything else."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"not a valid byte size: {quote(text)}")
    unit_bytes = _UNITS.get(found.group(2).lower())
    if unit_bytes is None:
        raise ValueError(f"unhandled size name: {found.group(2)}")
    size_bytes = int(Decimal(found.group(1).replace(",", "")) * unit_bytes)
    if size_bytes > BYTES_MAX:
        raise ValueError(f"too large: {text}")
    return size_bytes


def format_byte_size(size_bytes: int) -> str:
    """`42B`, `1.5kB`, `63MB`: two digits at least, powers of 1000; for reading, not for reading back."""
    if size_bytes < 10:
        return f"{size_bytes}B"
    value, power = float(size_bytes), 0
    while value >= 1000 and power < len(_PRINTED) - 1:
        value, power = value / 1000, power + 1
    value = int(value * 10 + 0.5) / 10
    return f"{value:.1f}{_PRINTED[power]}" if value < 10 else f"{value:.0f}{_PRINTED[power]}"


def format_exact_byte_size(size_bytes: int) -> str:
    """The short form where it loses nothing, else the largest unit up to `TiB` that divides the size."""
    short = format_byte_size(size_bytes)
    if short[-2:] not in ("PB", "EB") and parse_byte_size(short) == size_bytes:
        return short
    for power in range(4, 0, -1):
        for base, end in ((1000, "B"), (1024, "iB")):
            if size_bytes % base**power == 0:
                letter = "KMGT"[power - 1]
                return f"{size_bytes // base**power}{letter}{end}"
    return f"{size_bytes}B"


def format_setting_byte_size(size_bytes: int) -> str:
    """As configuration files write sizes: `3MB` is 3 MiB. The largest such unit that divides the size, else bytes."""
    for power in range(6, 0, -1):
        if size_bytes and size_bytes % 1024**power == 0:
            return f"{size_bytes // 1024**power}{'KMGTPE'[power - 1]}B"
    return f"{size_bytes}B"
