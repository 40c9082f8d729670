"""UTC days, the unit in which segments and manifests are kept: numbers since the epoch, and their names."""

from __future__ import annotations

from datetime import date

from lodur.model.durations import NS_PER_HOUR
from lodur.model.time_span import TimeSpan

NS_PER_DAY = 24 * NS_PER_HOUR

_EPOCH = date(1970, 1, 1).toordinal()


def day_of(ts_ns: int) -> int:
    """The day of a timestamp; days before the epoch are negative."""
    return ts_ns // NS_PER_DAY


def day_span(day: int) -> TimeSpan:
    """The timestamps of a day."""
    return TimeSpan(day * NS_PER_DAY, (day + 1) * NS_PER_DAY)


def day_name(day: int) -> str:
    """`2024-01-31`."""
    return date.fromordinal(_EPOCH + day).isoformat()


def parse_day_name(name: str) -> int | None:
    """The day of a name; None for a text that is none."""
    try:
        day = date.fromisoformat(name)
    except ValueError:
        return None
    return day.toordinal() - _EPOCH if day.isoformat() == name else None
