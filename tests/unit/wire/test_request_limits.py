"""Limits that a request sets itself: only ever stricter than its tenant's."""

from __future__ import annotations

import pytest

from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S
from lodur.model.errors import InvalidRequest
from lodur.model.limits import QueryLimits
from lodur.wire.request_limits import CHARS_MAX, RequestLimits, parse_request_limits

HEADER = """{"maxQueryLength":"1h","maxQueryInterval":"5m","maxQueryLookback":"1d","maxEntriesLimitPerQuery":100,
"maxQueryTime":"30s","requiredLabels":["env"],"minimumLabelsNumber":1,"maxQueryBytesRead":"1GB","later":{}}"""


def test_all_keys_are_read() -> None:
    assert parse_request_limits(HEADER) == RequestLimits(
        length_max_ns=NS_PER_HOUR,
        window_max_ns=5 * NS_PER_MINUTE,
        lookback_max_ns=24 * NS_PER_HOUR,
        timeout_ns=30 * NS_PER_S,
        bytes_read_max=10**9,
        entries_max=100,
        required_label_names=("env",),
        matchers_min=1,
    )
    assert parse_request_limits("{}") == RequestLimits()


def test_they_tighten() -> None:
    limits = parse_request_limits(HEADER).over(QueryLimits(required_label_names=("app",)))
    assert (limits.length_max_ns, limits.window_max_ns, limits.entries_max) == (NS_PER_HOUR, 5 * NS_PER_MINUTE, 100)
    assert limits.required_label_names == ("app", "env")
    assert limits.timeout_ns == 30 * NS_PER_S


def test_they_never_loosen() -> None:
    strict = QueryLimits(
        entries_max=1,
        length_max_ns=1,
        lookback_max_ns=1,
        window_max_ns=1,
        bytes_read_max=1,
        timeout_ns=1,
        matchers_min=9,
    )
    assert parse_request_limits(HEADER.replace('["env"]', "null")).over(strict) == strict
    assert parse_request_limits("{}").over(strict) == strict
    assert parse_request_limits('{"maxEntriesLimitPerQuery":-5,"minimumLabelsNumber":-1}').over(strict) == strict


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"maxQueryLength":1}',
        '{"maxQueryLength":"soon"}',
        '{"maxQueryBytesRead":"much"}',
        "x" * CHARS_MAX,
    ],
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^X-Loki-Query-Limits: "):
        parse_request_limits(text)
