from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.model.durations import (
    NS_PER_HOUR,
    NS_PER_MINUTE,
    NS_PER_MS,
    NS_PER_S,
    format_go_duration,
    format_prometheus_duration,
    parse_go_duration,
    parse_prometheus_duration,
)


@pytest.mark.parametrize(
    ("text", "duration_ns", "printed"),
    [
        ("0", 0, "0s"),
        ("5m", 5 * NS_PER_MINUTE, "5m"),
        ("90s", 90 * NS_PER_S, "1m30s"),
        ("1d2h3m", 26 * NS_PER_HOUR + 3 * NS_PER_MINUTE, "1d2h3m"),
        ("1w", 168 * NS_PER_HOUR, "1w"),
        ("8d", 192 * NS_PER_HOUR, "8d"),
        ("1y", 8760 * NS_PER_HOUR, "1y"),
        ("1500ms", 1500 * NS_PER_MS, "1s500ms"),
        ("30d1h", 721 * NS_PER_HOUR, "30d1h"),
    ],
)
def test_prometheus_form(text: str, duration_ns: int, printed: str) -> None:
    assert parse_prometheus_duration(text) == duration_ns
    assert format_prometheus_duration(duration_ns) == printed


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "empty duration string"),
        ("5", 'not a valid duration string: "5"'),
        ("m", 'not a valid duration string: "m"'),
        ("-5m", 'not a valid duration string: "-5m"'),
        ("5m5m", 'not a valid duration string: "5m5m"'),
        ("1m1h", 'not a valid duration string: "1m1h"'),
        ("5x", 'unknown unit "x" in duration "5x"'),
        ("1.5h", 'unknown unit "." in duration "1.5h"'),
        ("300y", "duration out of range"),
        ("1" * 50 + "s", 'not a valid duration string: "' + "1" * 50 + 's"'),
    ],
)
def test_prometheus_form_refused(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=r".*") as refused:
        parse_prometheus_duration(text)
    assert str(refused.value) == error


@pytest.mark.parametrize(
    ("text", "duration_ns", "printed"),
    [
        ("0", 0, "0s"),
        ("-0", 0, "0s"),
        ("5m", 5 * NS_PER_MINUTE, "5m0s"),
        ("1.5h", 90 * NS_PER_MINUTE, "1h30m0s"),
        ("1h30m", 90 * NS_PER_MINUTE, "1h30m0s"),
        ("-1.5s", -1_500_000_000, "-1.5s"),
        ("+1s", NS_PER_S, "1s"),
        ("100µs", 100_000, "100µs"),
        ("100us", 100_000, "100µs"),
        (".5ms", 500_000, "500µs"),
        ("1.1ms", 1_100_000, "1.1ms"),
        ("999ns", 999, "999ns"),
        ("1m1h", 61 * NS_PER_MINUTE, "1h1m0s"),
    ],
)
def test_go_form(text: str, duration_ns: int, printed: str) -> None:
    assert parse_go_duration(text) == duration_ns
    assert format_go_duration(duration_ns) == printed


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", 'time: invalid duration ""'),
        ("x", 'time: invalid duration "x"'),
        ("-", 'time: invalid duration "-"'),
        (".s", 'time: invalid duration ".s"'),
        ("5", 'time: missing unit in duration "5"'),
        ("5d", 'time: unknown unit "d" in duration "5d"'),
        ("3000000h", 'time: invalid duration "3000000h"'),
    ],
)
def test_go_form_refused(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=r".*") as refused:
        parse_go_duration(text)
    assert str(refused.value) == error


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_go_form_reads_back(duration_ns: int) -> None:
    assert parse_go_duration(format_go_duration(duration_ns)) == duration_ns


@given(st.integers(0, (2**63 - 1) // NS_PER_MS).map(lambda ms: ms * NS_PER_MS))
def test_prometheus_form_reads_back(duration_ns: int) -> None:
    assert parse_prometheus_duration(format_prometheus_duration(duration_ns)) == duration_ns


@given(st.text(max_size=8) | st.from_regex(r"[-+]?([0-9.]{1,4}(ns|ms|[smhdwyxµ])){1,3}", fullmatch=True))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    for parse in (parse_go_duration, parse_prometheus_duration):
        with suppress(ValueError):
            assert abs(parse(text)) < 2**63
