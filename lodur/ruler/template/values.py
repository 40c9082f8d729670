"""The values that templates handle, and how Go prints them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from lodur.model.durations import format_go_duration


class TemplateFailure(Exception):
    """A template that is well formed cannot be filled in."""


@dataclass(frozen=True, slots=True)
class Duration:
    """Go's time.Duration."""

    ns: int


@dataclass(frozen=True, slots=True)
class Moment:
    """Go's time.Time, in UTC."""

    ns: int


Value: TypeAlias = "bool | int | float | str | Duration | Moment | Sequence[Value] | Mapping[str, Value] | None"
"""None is Go's nil."""

_EXPONENT_FROM = 6
"""Powers of ten from which Go prints numbers with an exponent."""
_EXPONENT_BELOW = -4


def is_true(value: Value) -> bool:
    """What `if` takes for true: all but zeros and what is empty."""
    if isinstance(value, Duration):
        return value.ns != 0
    return True if isinstance(value, Moment) else bool(value)


def printed(value: Value) -> str:
    """The value as `%v` prints it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float():
            return format_float(value)
        case int():
            return str(value)
        case Duration():
            return format_go_duration(value.ns)
        case Moment():
            return print_moment(value)
        case Mapping():
            return "map[" + " ".join(f"{name}:{printed(value[name])}" for name in sorted(value)) + "]"
        case _:
            return "[" + " ".join(map(printed, value)) + "]"


def format_float(value: float) -> str:
    """The shortest form that reads back, with an exponent where Go's `%v` has one."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    exponent = Decimal(repr(value)).adjusted() if value else 0
    if _EXPONENT_BELOW <= exponent < _EXPONENT_FROM:
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return shortest_exponent(value)


def shortest_exponent(value: float) -> str:
    """The shortest form with an exponent of two digits at least: `1e+00`, `1.5e-07`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, _ = Decimal(repr(value)).normalize().as_tuple()
    exponent = Decimal(repr(value)).adjusted() if value else 0
    text = "".join(map(str, digits))
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{'-' if sign else ''}{text[0]}{fraction}e{exponent:+03d}"


def format_significant(value: float, digits: int) -> str:
    """Go's `%.4g`: so many significant digits, no zeros at the end."""
    if math.isnan(value) or math.isinf(value):
        return format_float(value)
    return f"{value:.{digits}g}"


def to_float(value: Value) -> float:
    """The number that a function of numbers is given; numbers may be written as text. Raises TemplateFailure."""
    match value:
        case bool():
            pass
        case int() | float():
            return float(value)
        case Duration(ns=ns):
            return ns / 1e9
        case str():
            try:
                # Unlike Go, Python takes blanks around and marks between digits of other scripts.
                if value.isascii() and value.strip() == value:
                    return float(value)
            except ValueError:
                pass
            raise TemplateFailure(f'strconv.ParseFloat: parsing "{value[:100]}": invalid syntax')
    raise TemplateFailure(f"can't convert {kind_of(value)} to float")


def kind_of(value: Value) -> str:
    """What Go calls the kind of a value."""
    match value:
        case None:
            return "nil"
        case bool():
            return "bool"
        case str():
            return "string"
        case float():
            return "float64"
        case int():
            return "int"
        case Duration():
            return "time.Duration"
        case Moment():
            return "time.Time"
        case Mapping():
            return "map[string]string"
        case _:
            return "slice"


def print_moment(moment: Moment) -> str:
    """As Go prints a time: `2024-01-31 15:04:05.25 +0000 UTC`."""
    from datetime import UTC, datetime, timedelta

    seconds, fraction_ns = divmod(moment.ns, 10**9)
    try:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError as error:
        raise TemplateFailure(f"{seconds} s since 1970 is no date") from error
    digits = f".{fraction_ns:09d}".rstrip("0") if fraction_ns else ""
    return f"{when:%Y-%m-%d %H:%M:%S}{digits} +0000 UTC"
