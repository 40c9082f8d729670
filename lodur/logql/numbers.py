"""How numbers are written in queries and messages."""

from __future__ import annotations

import math

_WHOLE_MAX = 1e15
"""Whole numbers below this are written without an exponent; all of them are exact."""


def format_number(value: float) -> str:
    """The shortest text that reads back as `value`.

    Infinities and NaN have no literal; they are written as arithmetic that is folded to them.
    """
    if math.isnan(value):
        return "(0 / 0)"
    if math.isinf(value):
        return "(2 ^ 1024)" if value > 0 else "(-2 ^ 1025)"
    if value == int(value) and abs(value) < _WHOLE_MAX:
        return str(int(value))
    return repr(value)
