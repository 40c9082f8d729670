"""Numbers as people read them: Prometheus' `humanize` functions."""

from __future__ import annotations

import math

from lodur.ruler.template.values import Moment, TemplateFailure, Value, format_significant, print_moment, to_float

_DIGITS = 4
_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")
_BINARY = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_SECONDS_MAX = 2**63 / 1e9
"""Moments are signed 64-bit nanoseconds."""


def humanize(value: Value) -> str:
    """With the prefixes of the metric system: `1.235k`."""
    return _with_prefix(to_float(value), 1000.0)


def humanize_1024(value: Value) -> str:
    """With prefixes of powers of 1024; small numbers have none."""
    number = to_float(value)
    if abs(number) <= 1 or math.isnan(number) or math.isinf(number):
        return format_significant(number, _DIGITS)
    prefix = ""
    for candidate in _BINARY:
        if abs(number) < 1024:
            break
        prefix, number = candidate, number / 1024
    return format_significant(number, _DIGITS) + prefix


def humanize_duration(value: Value) -> str:
    """Seconds as days, hours, minutes and seconds; below a second with metric prefixes."""
    number = to_float(value)
    if math.isnan(number) or math.isinf(number):
        return format_significant(number, _DIGITS)
    if number == 0:
        return "0s"
    if abs(number) < 1:
        return _small(number) + "s"
    sign = "-" if number < 0 else ""
    number = abs(number)
    whole = int(number)
    seconds, minutes, hours, days = whole % 60, whole // 60 % 60, whole // 3600 % 24, whole // 86400
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{format_significant(number, _DIGITS)}s"


def humanize_percentage(value: Value) -> str:
    """A ratio as a percentage."""
    return format_significant(to_float(value) * 100, _DIGITS) + "%"


def humanize_timestamp(value: Value) -> str:
    """Seconds since 1970 as a time."""
    number = to_float(value)
    if math.isnan(number) or math.isinf(number):
        return format_significant(number, _DIGITS)
    return print_moment(moment_of(number))


def moment_of(seconds: float) -> Moment:
    """The moment so many seconds after 1970. Raises TemplateFailure."""
    if not abs(seconds) < _SECONDS_MAX:
        raise TemplateFailure(f"{seconds} cannot be represented as a nanoseconds timestamp since it overflows int64")
    return Moment(int(seconds * 1e9))


def _with_prefix(number: float, base: float) -> str:
    if number == 0 or math.isnan(number) or math.isinf(number):
        return format_significant(number, _DIGITS)
    if abs(number) < 1:
        return _small(number)
    prefix = ""
    for candidate in _LARGE:
        if abs(number) < base:
            break
        prefix, number = candidate, number / base
    return format_significant(number, _DIGITS) + prefix


def _small(number: float) -> str:
    prefix = ""
    for candidate in _SMALL:
        if abs(number) >= 1:
            break
        prefix, number = candidate, number * 1000
    return format_significant(number, _DIGITS) + prefix
