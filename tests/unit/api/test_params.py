"""Texts of parameters, and the answers to wrong ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from starlette.requests import Request
from starlette.types import Message

from lodur.api.params import (
    Params,
    backward_param,
    check_resolution,
    checked_span,
    encoding_flags,
    forwarded,
    interval_param,
    limit_param,
    parse_time,
    query_tags,
    read_params,
    span_params,
    step_param,
    time_param,
)
from lodur.model.durations import NS_PER_HOUR, NS_PER_S
from lodur.model.errors import InvalidRequest
from lodur.model.time_span import TimeSpan

NOW_NS = 1_700_000_000 * NS_PER_S


def params(**values: str) -> Params:
    return Params(tuple(values.items()))


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("1700000000", 1_700_000_000 * NS_PER_S),
        ("4000000000", 4_000_000_000 * NS_PER_S),
        ("1700000000123456789", 1_700_000_000_123_456_789),
        ("1700000000.5", 1_700_000_000_500_000_000),
        ("1700000000.1234567", 1_700_000_000_123_000_000),
        ("0", 0),
        ("-5", -5 * NS_PER_S),
        ("2023-11-14T22:13:20Z", 1_700_000_000 * NS_PER_S),
        ("2023-11-14T22:13:20.000000001Z", 1_700_000_000_000_000_001),
        ("2023-11-15T00:13:20+02:00", 1_700_000_000 * NS_PER_S),
    ],
)
def test_times(text: str, expected_ns: int) -> None:
    assert parse_time(text) == expected_ns


@pytest.mark.parametrize(
    "text", ["abc", "1.2.3", "2023-13-14T22:13:20Z", "2023-11-14", "12h", "99999999999999999999", "0x10", "1e5", "٣"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InvalidRequest, match="could not parse 'start' parameter: "):
        time_param(params(start=text), "start", 0)


def test_an_instant_has_no_name_in_errors() -> None:
    with pytest.raises(InvalidRequest) as refused:
        time_param(params(time="abc"), "time", 0)
    assert str(refused.value) == 'strconv.ParseInt: parsing "abc": invalid syntax'


def test_times_stay_within_what_can_be_computed_with() -> None:
    assert abs(time_param(params(end="9223372036854775807"), "end", 0)) < 1 << 62
    assert abs(time_param(params(end="1" + "0" * 300 + ".0"), "end", 0)) < 1 << 62


def test_spans() -> None:
    hour = TimeSpan(NOW_NS - NS_PER_HOUR, NOW_NS)
    assert span_params(params(), NOW_NS) == hour
    assert span_params(params(since="2h"), NOW_NS) == TimeSpan(NOW_NS - 2 * NS_PER_HOUR, NOW_NS)
    assert span_params(params(since="2h", start="1700000000"), NOW_NS) == TimeSpan(NOW_NS, NOW_NS)
    later = str(NOW_NS + NS_PER_HOUR)
    assert span_params(params(end=later), NOW_NS) == TimeSpan(NOW_NS - NS_PER_HOUR, NOW_NS + NS_PER_HOUR)


def test_times_near_the_epoch_are_read_in_seconds_when_they_are_forwarded() -> None:
    assert forwarded(TimeSpan(NOW_NS, NOW_NS + 1)) == TimeSpan(NOW_NS, NOW_NS + 1)
    assert forwarded(TimeSpan(0, NS_PER_S)) == TimeSpan(0, NS_PER_S * NS_PER_S)
    assert forwarded(TimeSpan(-5 * NS_PER_S, 10 * NS_PER_S)) == TimeSpan(-5 * NS_PER_S, 10 * NS_PER_S)
    with pytest.raises(InvalidRequest, match="must not be before"):
        forwarded(TimeSpan(9 * NS_PER_S, 11 * NS_PER_S))
    with pytest.raises(InvalidRequest, match="11,000 points"):
        check_resolution(forwarded(TimeSpan(-5 * NS_PER_S, 5 * NS_PER_S)), NS_PER_S)


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [("5", 5 * NS_PER_S), ("0.5", NS_PER_S // 2), ("1m30s", 90 * NS_PER_S), ("15000ms", 15 * NS_PER_S)],
)
def test_steps(text: str, expected_ns: int) -> None:
    assert step_param(params(step=text), TimeSpan(0, 60 * NS_PER_S)) == expected_ns


@pytest.mark.parametrize(("seconds", "expected_s"), [(0, 1), (250, 1), (3600, 14), (86_400, 345)])
def test_the_default_step_gives_250_points(seconds: int, expected_s: int) -> None:
    assert step_param(params(), TimeSpan(0, seconds * NS_PER_S)) == expected_s * NS_PER_S


@pytest.mark.parametrize(
    ("read", "values", "text"),
    [
        (lambda p: checked_span(p, NOW_NS), {"start": "5", "end": "4"}, "must not be before or equal to start time"),
        (lambda p: span_params(p, NOW_NS), {"since": "10"}, "'since' parameter: not a valid duration string"),
        (lambda p: step_param(p, TimeSpan(0, 1)), {"step": "xx"}, 'cannot parse "xx" to a valid duration'),
        (lambda p: step_param(p, TimeSpan(0, 1)), {"step": "0"}, "zero or negative query resolution step widths"),
        (lambda p: step_param(p, TimeSpan(0, 1)), {"step": "-5"}, "zero or negative query resolution step widths"),
        (lambda p: step_param(p, TimeSpan(0, 1)), {"step": "NaN"}, "zero or negative query resolution step widths"),
        (lambda p: step_param(p, TimeSpan(0, 1)), {"step": "1e300"}, "overflows int64"),
        (lambda p: step_param(p, TimeSpan(0, 11_002 * NS_PER_S)), {"step": "1"}, "resolution of 11,000 points"),
        (interval_param, {"interval": "-1"}, "interval must be >= 0"),
        (interval_param, {"interval": "1x"}, 'cannot parse "1x" to a valid duration'),
        (limit_param, {"limit": "0"}, "limit must be a positive value"),
        (limit_param, {"limit": "-1"}, "limit must be a positive value"),
        (limit_param, {"limit": "x"}, 'strconv.Atoi: parsing "x": invalid syntax'),
        (limit_param, {"limit": "9" * 30}, "value out of range"),
        (backward_param, {"direction": "sideways"}, "invalid direction 'sideways'"),
    ],
)  # fmt: skip
def test_wrong_values(read: Callable[[Params], object], values: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(params(**values))
    assert text in str(refused.value)


def test_limits_and_directions() -> None:
    assert limit_param(params()) == 100
    assert limit_param(params(limit="17")) == 17
    assert [backward_param(params(direction=text)) for text in ("", "BACKWARD", "backward", "Forward")] == [
        True,
        True,
        True,
        False,
    ]


def test_headers() -> None:
    assert query_tags("Source=logvolhist, Feature=x,nothing") == (("source", "logvolhist"), ("feature", "x"))
    assert query_tags('User=a@b.c,Note="x y"/z\n') == (("user", "a@b.c"), ("note", "_x y__z_"))
    assert encoding_flags(["categorize-labels,other", ""]) == ("categorize-labels", "other")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("query=%zz", 'invalid URL escape "%zz"'),
        ("a=1&query=x%z", 'invalid URL escape "%z"'),
        ("%&query=1", 'invalid URL escape "%"'),
        ("query=%f", 'invalid URL escape "%f"'),
        ("query=%\xff\xfe1", 'invalid URL escape "%\\xff\\xfe"'),
        ("query=1;limit=2", "invalid semicolon separator in query"),
    ],
)
def test_forms_that_go_does_not_read(target: str, text: str) -> None:
    encoded = target.encode("latin-1")
    for method, url, body in (("GET", encoded, b""), ("POST", b"", encoded)):
        with pytest.raises(InvalidRequest) as caught:
            asyncio.run(read_params(form_request(method, url, body), body_max_bytes=1000))
        assert str(caught.value) == text


def test_forms_that_go_reads() -> None:
    read = asyncio.run(read_params(form_request("POST", b"b=%3B&b=2", b"a=%25+%7b&&=1&c"), body_max_bytes=1000))
    assert read.pairs == (("a", "% {"), ("", "1"), ("c", ""), ("b", ";"), ("b", "2"))


def form_request(method: str, url: bytes, body: bytes) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    return Request({"type": "http", "method": method, "query_string": url, "headers": headers}, receive)
