"""Times and durations as a person types them, and as they are printed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from typing import assert_never
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from lodur.model.clock import SystemClock
from lodur.model.durations import NS_PER_S, parse_go_duration, parse_prometheus_duration
from lodur.model.time_span import TimeSpan

_UNIX_SECONDS_DIGITS_MAX = 10
"""Whole numbers of up to ten digits are seconds, longer ones nanoseconds: the rule of the server."""

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_duration_ns(text: str) -> int:
    """`90s`, `1h30m`, `7d` or `1.5h` in nanoseconds; raises ValueError for anything else."""
    for parse in (parse_prometheus_duration, parse_go_duration):
        try:
            duration_ns = parse(text)
        except ValueError:
            continue
        if duration_ns >= 0 and text[0] != "+":
            return duration_ns
    raise ValueError(f"'{text}' is not a duration; give one like 30s, 5m, 1h30m or 7d")


def parse_time_ns(text: str, *, now_ns: int, zone: tzinfo) -> int:
    """A moment in nanoseconds since the epoch; raises ValueError where the text names none.

    Accepted: `now`, `-1h` (before now), Unix seconds (also with a fraction), Unix nanoseconds, RFC 3339.
    An RFC 3339 text without an offset is read in `zone`.
    """
    if text == "now":
        return now_ns
    if text.startswith("-"):
        return now_ns - parse_duration_ns(text[1:])
    if re.fullmatch(r"\d{1,10}\.\d{1,9}", text, re.ASCII):
        seconds, fraction = text.split(".")
        return int(seconds) * NS_PER_S + int(fraction.ljust(9, "0"))
    if re.fullmatch(r"\d{1,19}", text, re.ASCII):
        return int(text) * (NS_PER_S if len(text) <= _UNIX_SECONDS_DIGITS_MAX else 1)
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(
            f"'{text}' is not a time; give RFC 3339 (2026-01-31T08:00:00Z), Unix seconds or nanoseconds, -1h, or now"
        )
    return _rfc3339_ns(match, zone)


def _rfc3339_ns(match: re.Match[str], zone: tzinfo) -> int:
    day, hour_minute, second, fraction, offset = match.groups()
    local = datetime.fromisoformat(f"{day}T{hour_minute or '00:00'}:{second or '00'}")
    if offset is None:
        moment = local.replace(tzinfo=zone)
    else:
        moment = datetime.fromisoformat(f"{local.isoformat()}{offset.upper().replace('Z', '+00:00')}")
    whole = (moment - _EPOCH) // timedelta(seconds=1)
    return whole * NS_PER_S + int((fraction or "").ljust(9, "0"))


def format_time(ts_ns: int, zone: tzinfo, *, nanos: bool) -> str:
    """RFC 3339, to the second or with as many digits of the fraction as are not zero."""
    seconds, fraction_ns = divmod(ts_ns, NS_PER_S)
    date, offset = _second_text(seconds, zone)
    fraction = f".{fraction_ns:09d}".rstrip("0").rstrip(".") if nanos else ""
    return f"{date}{fraction}{offset}"


class TimeFormat(Enum):
    """How times of lines are printed; the value is the word of `--output-timestamp-format`, as logcli has it."""

    RFC3339 = "rfc3339"
    RFC3339_NANO = "rfc3339nano"
    RFC822Z = "rfc822z"
    RFC1123Z = "rfc1123z"
    STAMP_MILLI = "stampmilli"
    STAMP_MICRO = "stampmicro"
    STAMP_NANO = "stampnano"
    UNIX_DATE = "unixdate"


def format_time_as(ts_ns: int, zone: tzinfo, form: TimeFormat) -> str:
    """The time in one of the forms of Go's package `time`; names of days and months are English."""
    seconds, fraction_ns = divmod(ts_ns, NS_PER_S)
    match form:
        case TimeFormat.RFC3339 | TimeFormat.RFC3339_NANO:
            return format_time(ts_ns, zone, nanos=form is TimeFormat.RFC3339_NANO)
        case TimeFormat.RFC822Z:
            return _moment(seconds, zone).strftime("%d %b %y %H:%M %z")
        case TimeFormat.RFC1123Z:
            return _moment(seconds, zone).strftime("%a, %d %b %Y %H:%M:%S %z")
        case TimeFormat.STAMP_MILLI:
            return f"{_stamp(seconds, zone)}.{fraction_ns // 1_000_000:03d}"
        case TimeFormat.STAMP_MICRO:
            return f"{_stamp(seconds, zone)}.{fraction_ns // 1000:06d}"
        case TimeFormat.STAMP_NANO:
            return f"{_stamp(seconds, zone)}.{fraction_ns:09d}"
        case TimeFormat.UNIX_DATE:
            moment = _moment(seconds, zone)
            return f"{moment:%a %b} {moment.day:2d} {moment:%H:%M:%S %Z %Y}"
        case _:
            assert_never(form)


def _stamp(seconds: int, zone: tzinfo) -> str:
    moment = _moment(seconds, zone)
    return f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S}"


def _moment(seconds: int, zone: tzinfo) -> datetime:
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(zone)


@functools.lru_cache(maxsize=4096)
def _second_text(seconds: int, zone: tzinfo) -> tuple[str, str]:
    text = _moment(seconds, zone).isoformat()
    return text[:19], "Z" if text[19:] == "+00:00" else text[19:]


def parse_zone(text: str) -> tzinfo:
    """`Local`, `UTC`, or a name of the time zone database; raises ValueError for anything else."""
    if text.lower() == "local":
        return LocalZone()
    if text.lower() == "utc":
        return UTC
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"'{text}' is not a time zone; give Local, UTC or a name like Europe/Berlin") from None


class LocalZone(tzinfo):
    """The machine's zone at each moment; `datetime.astimezone()` alone knows it."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, dt: datetime) -> datetime:
        offset = dt.replace(tzinfo=UTC).astimezone().utcoffset() or timedelta()
        return (dt + offset).replace(tzinfo=self)


def _zone_value(ctx: click.Context, param: click.Parameter, value: str) -> tzinfo:
    try:
        return parse_zone(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def duration_value(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """The value of an option that is a duration, in nanoseconds."""
    try:
        return parse_duration_ns(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def resolve_span(since_ns: int, from_text: str | None, to_text: str | None, zone: tzinfo) -> TimeSpan:
    """The span that the options name: `--to` or now, and `--from` or `since` before that."""
    now_ns = SystemClock().now_ns()
    end_ns = now_ns if to_text is None else _option_time("--to", to_text, now_ns, zone)
    start_ns = end_ns - since_ns if from_text is None else _option_time("--from", from_text, now_ns, zone)
    if start_ns > end_ns:
        raise click.BadParameter(
            f"{format_time(start_ns, zone, nanos=True)} lies after --to, {format_time(end_ns, zone, nanos=True)}",
            param_hint="--from",
        )
    return TimeSpan(start_ns, end_ns)


def option_moment(option: str, text: str | None, zone: tzinfo) -> int:
    """The moment that an option names, or now."""
    now_ns = SystemClock().now_ns()
    return now_ns if text is None else _option_time(option, text, now_ns, zone)


def _option_time(option: str, text: str, now_ns: int, zone: tzinfo) -> int:
    try:
        return parse_time_ns(text, now_ns=now_ns, zone=zone)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error), param_hint=option) from None


_ZONE_OPTION = click.option(
    "-z",
    "--timezone",
    "zone",
    callback=_zone_value,
    metavar="ZONE",
    default="Local",
    show_default=True,
    help="Zone of printed times, and of given ones without an offset: Local, UTC, or a name like Europe/Berlin.",
)
_SPAN_OPTIONS = (
    click.option(
        "--since",
        callback=duration_value,
        metavar="DURATION",
        default="1h",
        show_default=True,
        help="Look back this far.",
    ),
    click.option(
        "--from",
        "from_text",
        metavar="TIME",
        help="Begin at this time: RFC 3339, Unix seconds or nanoseconds, -1h, or now. Overrides --since.",
    ),
    click.option("--to", "to_text", metavar="TIME", help="End before this time; same forms.  [default: now]"),
)


def since_option(function: Callable[..., None]) -> Callable[..., None]:
    """Add `--since` and `--timezone`; the command receives `start_ns`, that long before now, and `zone`."""

    @functools.wraps(function)
    def collect(*, since: int, zone: tzinfo, **others: object) -> None:
        function(start_ns=SystemClock().now_ns() - since, zone=zone, **others)

    return _SPAN_OPTIONS[0](zone_option(collect))


def zone_option(function: Callable[..., None]) -> Callable[..., None]:
    """Add `--timezone`; the command receives it as `zone`."""
    return _ZONE_OPTION(function)


def span_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add `--since`, `--from`, `--to` and `--timezone`; the command receives `span` and `zone`."""

    @functools.wraps(function)
    def collect(*, since: int, from_text: str | None, to_text: str | None, zone: tzinfo, **others: object) -> None:
        function(span=resolve_span(since, from_text, to_text, zone), zone=zone, **others)

    decorated: Callable[..., None] = zone_option(collect)
    for option in reversed(_SPAN_OPTIONS):
        decorated = option(decorated)
    return decorated
