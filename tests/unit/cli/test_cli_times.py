"""Times and durations as typed and as printed."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from lodur.cli.times import LocalZone, TimeFormat, format_time, format_time_as, parse_duration_ns, parse_time_ns

S = 1_000_000_000
NOW = 1_730_000_000 * S


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 30 * S),
        ("5m", 300 * S),
        ("1h30m", 5400 * S),
        ("1.5h", 5400 * S),
        ("7d", 7 * 86400 * S),
        ("1y", 365 * 86400 * S),
        ("250ms", S // 4),
        ("3us", 3000),
        ("4ns", 4),
    ],
)
def test_durations(text: str, expected: int) -> None:
    assert parse_duration_ns(text) == expected


@pytest.mark.parametrize("text", ["", "5", "h", "5x", "1h 30m", "-1h", "1h-", "٣h", "+1h"])
def test_texts_that_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration_ns(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("-1h", NOW - 3600 * S),
        ("1730000000", NOW),
        ("1730000000.25", NOW + S // 4),
        ("1730000000000000001", NOW + 1),
        ("17300000001", 17300000001),
        ("2024-10-27T03:33:20Z", NOW),
        ("2024-10-27t03:33:20z", NOW),
        ("2024-10-27T03:33:20.123456789Z", NOW + 123456789),
        ("2024-10-27T05:33:20+02:00", NOW),
        ("2024-10-27 03:33:20", NOW),
        ("2024-10-27", NOW - (3 * 3600 + 33 * 60 + 20) * S),
        ("1969-12-31T23:59:59.5Z", -S // 2),
    ],
)
def test_times(text: str, expected: int) -> None:
    assert parse_time_ns(text, now_ns=NOW, zone=UTC) == expected


def test_times_without_offset_are_read_in_the_zone() -> None:
    assert parse_time_ns("2024-10-27T04:33:20", now_ns=0, zone=ZoneInfo("Europe/Berlin")) == NOW


@pytest.mark.parametrize(
    "text", ["", "later", "-", "2024-13-01T00:00:00Z", "2024-10-27T25:00:00Z", "1" * 20, "1.2.3", "2024-10-27T03Z"]
)
def test_texts_that_are_no_times(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the texts come from three places
        parse_time_ns(text, now_ns=NOW, zone=UTC)


@pytest.mark.parametrize(
    ("ts_ns", "zone", "nanos", "expected"),
    [
        (NOW, UTC, True, "2024-10-27T03:33:20Z"),
        (NOW + 120_000_000, UTC, True, "2024-10-27T03:33:20.12Z"),
        (NOW + 1, UTC, True, "2024-10-27T03:33:20.000000001Z"),
        (NOW + 1, UTC, False, "2024-10-27T03:33:20Z"),
        (-1, UTC, True, "1969-12-31T23:59:59.999999999Z"),
        (NOW, ZoneInfo("Asia/Kolkata"), False, "2024-10-27T09:03:20+05:30"),
    ],
)
def test_printed_times(ts_ns: int, zone: ZoneInfo, nanos: bool, expected: str) -> None:
    assert format_time(ts_ns, zone, nanos=nanos) == expected


def test_local_zone_is_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        zone = LocalZone()
        assert format_time(NOW, zone, nanos=False) == "2024-10-26T23:33:20-04:00"
        assert format_time(NOW + 60 * 86400 * S, zone, nanos=False) == "2024-12-25T22:33:20-05:00"
        assert parse_time_ns("2024-10-26T23:33:20", now_ns=0, zone=zone) == NOW
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("rfc3339", "2024-07-05T08:09:10+02:00"),
        ("rfc3339nano", "2024-07-05T08:09:10.0012+02:00"),
        ("rfc822z", "05 Jul 24 08:09 +0200"),
        ("rfc1123z", "Fri, 05 Jul 2024 08:09:10 +0200"),
        ("stampmilli", "Jul  5 08:09:10.001"),
        ("stampmicro", "Jul  5 08:09:10.001200"),
        ("stampnano", "Jul  5 08:09:10.001200000"),
        ("unixdate", "Fri Jul  5 08:09:10 CEST 2024"),
    ],
)
def test_forms_of_logcli(form: str, expected: str) -> None:
    ts_ns = 1_720_159_750_001_200_000
    assert format_time_as(ts_ns, ZoneInfo("Europe/Berlin"), TimeFormat(form)) == expected
