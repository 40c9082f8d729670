"""The statistics object of query answers: add up those of several pages, print it as lines of name and number."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

Number = int | float | bool
Statistics = dict[str, Number]
"""Numbers by their place in the object, such as `summary.totalBytesProcessed`."""

_RATES = {
    "summary.bytesProcessedPerSecond": "summary.totalBytesProcessed",
    "summary.linesProcessedPerSecond": "summary.totalLinesProcessed",
}
"""Rates do not add up; they are taken anew from the total that each is of and the time."""
_TIME = "summary.execTime"


def read_statistics(raw: msgspec.Raw) -> Statistics:
    """The numbers of a statistics object."""
    return dict(_flat("", msgspec.json.decode(raw)))


def _flat(place: str, value: object) -> Iterator[tuple[str, Number]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{place}.{name}" if place else str(name), inner)
    elif isinstance(value, int | float):
        yield place, value


def add_statistics(total: Statistics, page: Statistics) -> Statistics:
    """Both together: numbers added, yes-or-no values joined, rates taken anew."""
    if not total:
        return page
    both = dict(total)
    for name, value in page.items():
        before = both.get(name, 0)
        both[name] = (before or value) if isinstance(value, bool) else before + value
    for rate, amount in _RATES.items():
        if rate in both and both.get(_TIME):
            both[rate] = int(both.get(amount, 0) / both[_TIME])
    return both


def format_statistics(statistics: Statistics) -> str:
    """One line for each number of the summary, and for each other that is not zero."""
    shown = {name: value for name, value in statistics.items() if value or name.startswith("summary.")}
    width = max(map(len, shown), default=0)
    return "".join(f"{name.ljust(width)}  {_text(value)}\n" for name, value in shown.items())


def _text(value: Number) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6f}"
