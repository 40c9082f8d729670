"""Parameters of queries: where they are read from, what their texts mean, and the errors that clients know.

Times are Unix seconds (whole, up to ten digits), nanoseconds (longer), float seconds (with a dot) or RFC 3339.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

from starlette.requests import HTTPConnection, Request

from lodur.model.durations import NS_PER_HOUR, NS_PER_MS, NS_PER_S, parse_prometheus_duration
from lodur.model.errors import InvalidRequest
from lodur.model.go_strings import quote
from lodur.model.time_span import TimeSpan
from lodur.telemetry.request_facts import note_query_tags

DEFAULT_SINCE_NS = NS_PER_HOUR
"""How far back a query without a start looks."""

DEFAULT_LIMIT = 100

DEFAULT_STEPS = 250
"""Points of a graph whose step nobody names."""

POINTS_MAX = 11_000
"""Points of a series in one answer: more than any screen shows; it bounds the memory of a query too."""

FIELDS_MAX = 1000
"""Parameters of one request; dashboards send a dozen."""

TIME_NS_MAX = 1 << 62
"""Times are kept this near to the epoch (year 2116), so that arithmetic on them stays within 64 bits."""

_END_FIRST = "end timestamp must not be before or equal to start time"
_INT64_MAX = 2**63 - 1
_SECONDS_DIGITS_MAX = 10
_INTEGER = re.compile(r"[+-]?[0-9]+")
TAGS_CHARS_MAX = 500
"""Of a client's tags in the log."""

_NOT_IN_TAGS = re.compile(r"[^a-zA-Z0-9\-=.@, ]")
_WRONG_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})[^&=]{0,2}")
"""Shown with the two bytes behind, as far as they belong to the same name or value."""
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})([.,][0-9]+)?(Z|([+-])([0-9]{2}):([0-9]{2}))"
)


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters of a request, those of the body first."""

    pairs: tuple[tuple[str, str], ...]

    def text(self, name: str) -> str:
        """The first value of a parameter; empty where it is missing."""
        return next((value for key, value in self.pairs if key == name), "")

    def texts(self, *names: str) -> list[str]:
        """All values of parameters, in the order of the request."""
        return [value for key, value in self.pairs if key in names]


async def read_params(request: Request, *, body_max_bytes: int) -> Params:
    """Parameters from a form body, if there is one, and from the URL. InvalidRequest for a body that is too large."""
    pairs: list[tuple[str, str]] = []
    content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and content_type == "application/x-www-form-urlencoded":
        body = await _body(request, body_max_bytes)
        pairs += await asyncio.to_thread(_checked_fields, body)
    # Not from `request.url`, which is made of the Host header too and fails with it.
    pairs += _checked_fields(request.scope["query_string"])
    return Params(tuple(pairs))


def query_params(connection: HTTPConnection) -> Params:
    """Parameters of the URL alone."""
    return Params(tuple(_fields(connection.scope["query_string"])))


def _checked_fields(encoded: bytes) -> list[tuple[str, str]]:
    """As `_fields`, but InvalidRequest where Go's parser, which Loki reads forms with, finds a fault."""
    if b";" in encoded:
        raise InvalidRequest("invalid semicolon separator in query")
    if found := _WRONG_ESCAPE.search(encoded):
        raise InvalidRequest(f"invalid URL escape {quote(found[0].decode('utf-8', 'surrogateescape'))}")
    return _fields(encoded)


def _fields(encoded: bytes) -> list[tuple[str, str]]:
    """Names and values; bytes that are not UTF-8 stay recognisable as such, for whoever reads the value."""
    text = encoded.decode("utf-8", "surrogateescape")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="surrogateescape")
    except ValueError as error:
        raise InvalidRequest(f"more than {FIELDS_MAX} parameters") from error


async def _body(request: Request, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size_bytes = 0
    async for part in request.stream():
        size_bytes += len(part)
        if size_bytes > max_bytes:
            raise InvalidRequest(f"request body too large: more than {max_bytes} bytes")
        parts.append(part)
    return b"".join(parts)


def time_param(params: Params, name: str, default_ns: int) -> int:
    """A time in nanoseconds since the epoch."""
    text = params.text(name)
    if not text:
        return default_ns
    try:
        return max(-TIME_NS_MAX + 1, min(TIME_NS_MAX - 1, parse_time(text)))
    except ValueError as error:
        # Of an instant query's time, Loki says no name.
        place = "" if name == "time" else f"could not parse '{name}' parameter: "
        raise InvalidRequest(f"{place}{error}") from error


def span_params(params: Params, now_ns: int) -> TimeSpan:
    """`start`, `end` and `since`: the last hour where nothing is said. The end may lie before the start."""
    end_ns = time_param(params, "end", now_ns)
    since_ns = DEFAULT_SINCE_NS
    if since := params.text("since"):
        try:
            since_ns = parse_prometheus_duration(since)
        except ValueError as error:
            raise InvalidRequest(f"could not parse 'since' parameter: {error}") from error
    return TimeSpan(time_param(params, "start", min(end_ns, now_ns) - since_ns), end_ns)


def checked_span(params: Params, now_ns: int) -> TimeSpan:
    """A span whose end does not lie before its start."""
    span = span_params(params, now_ns)
    if span.end_ns < span.start_ns:
        raise InvalidRequest(_END_FIRST)
    return span


def forwarded(span: TimeSpan) -> TimeSpan:
    """The span as Loki's frontend hands it to a querier: in nanoseconds, which are read like any time once more.

    What lies within ten seconds of the epoch has few digits then, and counts as seconds. InvalidRequest where the end
    comes before the start by that.
    """
    again = TimeSpan(_read_again(span.start_ns), _read_again(span.end_ns))
    if again.end_ns < again.start_ns:
        raise InvalidRequest(_END_FIRST)
    return again


def _read_again(time_ns: int) -> int:
    return max(-TIME_NS_MAX + 1, min(TIME_NS_MAX - 1, parse_time(str(time_ns))))


def step_param(params: Params, span: TimeSpan) -> int:
    """The step of a metric query in nanoseconds; its default gives some 250 points."""
    if not params.text("step"):
        return max(span.length_ns // NS_PER_S // DEFAULT_STEPS, 1) * NS_PER_S
    step_ns = _seconds_or_duration(params.text("step"))
    if step_ns <= 0:
        raise InvalidRequest("zero or negative query resolution step widths are not accepted. Try a positive integer")
    check_resolution(span, step_ns)
    return step_ns


def check_resolution(span: TimeSpan, step_ns: int) -> None:
    """InvalidRequest where there are too many steps in a span."""
    if span.length_ns // step_ns > POINTS_MAX:
        raise InvalidRequest(
            "exceeded maximum resolution of 11,000 points per time series. "
            "Try increasing the value of the step parameter"
        )


def interval_param(params: Params) -> int:
    """The least distance of entries in nanoseconds; 0 keeps all."""
    if not params.text("interval"):
        return 0
    interval_ns = _seconds_or_duration(params.text("interval"))
    if interval_ns < 0:
        raise InvalidRequest("interval must be >= 0")
    return interval_ns


def limit_param(params: Params, *names: str, default: int = DEFAULT_LIMIT) -> int:
    """How many entries (or whatever the parameter counts) to return at most; the first name that is given counts."""
    text = next(filter(None, map(params.text, names or ("limit",))), "")
    if not text:
        return default
    if not _INTEGER.fullmatch(text):
        raise InvalidRequest(f"strconv.Atoi: parsing {quote(text)}: invalid syntax")
    limit = int(text[:_DIGITS_MAX])
    if abs(limit) > _INT64_MAX:
        raise InvalidRequest(f"strconv.Atoi: parsing {quote(text)}: value out of range")
    if limit <= 0:
        raise InvalidRequest("limit must be a positive value")
    return min(limit, LIMIT_MAX)


LIMIT_MAX = 2**32
"""More entries than any memory holds; what a tenant may ask for is its own limit."""

_DIGITS_MAX = 40
"""Digits of a number that are read: far more than fit 64 bits."""


def backward_param(params: Params) -> bool:
    """Whether the newest entries come first."""
    text = params.text("direction")
    if text.upper() in ("", "BACKWARD"):
        return True
    if text.upper() == "FORWARD":
        return False
    raise InvalidRequest(f"invalid direction '{text}'")


def parse_time(text: str) -> int:
    """Nanoseconds since the epoch; ValueError with the field's text for what is no time."""
    if "." in text and _FLOAT.fullmatch(text):
        seconds = float(text)
        if abs(seconds) < TIME_NS_MAX / NS_PER_S:
            return round(seconds * (NS_PER_S // NS_PER_MS)) * NS_PER_MS
        return TIME_NS_MAX if seconds > 0 else -TIME_NS_MAX
    if _INTEGER.fullmatch(text):
        value = int(text[:_DIGITS_MAX])
        if abs(value) > _INT64_MAX:
            raise ValueError(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
        return value * NS_PER_S if len(text) <= _SECONDS_DIGITS_MAX else value
    parsed = parse_rfc3339(text)
    if parsed is None:
        raise ValueError(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")
    return parsed


def parse_rfc3339(text: str) -> int | None:
    """Nanoseconds since the epoch; None for a text of another form."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        return None
    numbers = [int(found.group(group)) for group in range(1, 7)]
    zone = UTC
    if found.group(9):
        offset = timedelta(hours=int(found.group(10)), minutes=int(found.group(11)))
        if offset >= timedelta(days=1):
            return None
        zone = timezone(-offset if found.group(9) == "-" else offset)
    try:
        whole = datetime(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], tzinfo=zone)
    except ValueError:
        return None
    since_epoch = whole - datetime(1970, 1, 1, tzinfo=UTC)
    fraction = (found.group(7) or ".")[1:10].ljust(9, "0")
    return (since_epoch.days * 86_400 + since_epoch.seconds) * NS_PER_S + int(fraction)


def _seconds_or_duration(text: str) -> int:
    """Nanoseconds of float seconds or of a duration."""
    if text.lower() == "nan":
        return 0
    if _FLOAT.fullmatch(text):
        ns = float(text) * NS_PER_S
        if abs(ns) > _INT64_MAX:
            raise InvalidRequest(f"cannot parse {quote(text)} to a valid duration. It overflows int64")
        return min(int(ns), TIME_NS_MAX)
    try:
        return min(parse_prometheus_duration(text), TIME_NS_MAX)
    except ValueError as error:
        raise InvalidRequest(f"cannot parse {quote(text)} to a valid duration") from error


def query_tags(header: str) -> tuple[tuple[str, str], ...]:
    """The pairs of an `X-Query-Tags` header, in lower case; the header is noted for the log."""
    tags = _NOT_IN_TAGS.sub("_", header)
    note_query_tags(tags[:TAGS_CHARS_MAX])
    pairs = (part.partition("=") for part in tags.split(",") if "=" in part)
    return tuple((name.strip().lower(), value.strip().lower()) for name, _, value in pairs)


def encoding_flags(headers: Sequence[str]) -> tuple[str, ...]:
    """The flags of `X-Loki-Response-Encoding-Flags` headers, as written."""
    return tuple(flag for header in headers for flag in header.split(",") if flag)
