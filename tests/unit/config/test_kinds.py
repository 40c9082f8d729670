"""Kinds of values: what each accepts, and what is said about the rest."""

from __future__ import annotations

import pytest

from lodur.config import kinds
from lodur.config.errors import BadValue
from lodur.config.kinds import Kind
from lodur.config.yaml_nodes import Node, parse_yaml, scalar

MIB = 2**20
S = 10**9


def node(text: str) -> Node:
    parsed = parse_yaml(text)
    return scalar("") if parsed is None else parsed


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.BOOL, "true", True),
        (kinds.BOOL, "Yes", True),
        (kinds.BOOL, "off", False),
        (kinds.COUNT, "0", 0),
        (kinds.COUNT, "+12", 12),
        (kinds.PORT, "65535", 65535),
        (kinds.FLOAT, "4", 4.0),
        (kinds.FLOAT, "0.25", 0.25),
        (kinds.FLOAT, "1.5e+3", 1500.0),
        (kinds.TEXT, "3100", "3100"),
        (kinds.TEXT, "'a: b'", "a: b"),
        (kinds.SECRET, "hush", "hush"),
        (kinds.choice("a", "b"), "b", "b"),
        (kinds.DURATION, "30s", 30 * S),
        (kinds.DURATION, "1w", 7 * 24 * 3600 * S),
        (kinds.DURATION, "30d1h", 721 * 3600 * S),
        (kinds.DURATION, "1.5h", 5400 * S),
        (kinds.DURATION, "1h0m0s", 3600 * S),
        (kinds.DURATION, "0", 0),
        (kinds.SIGNED_DURATION, "-1ns", -1),
        (kinds.SIZE, "256KB", 262144),
        (kinds.SIZE, "256kb", 262144),
        (kinds.SIZE, "1.5MB", 3 * MIB // 2),
        (kinds.SIZE, "64KiB", 65536),
        (kinds.SIZE, "3M", 3 * MIB),
        (kinds.SIZE, "1 GB", 1024 * MIB),
        (kinds.SIZE, "0B", 0),
        (kinds.SIZE, "4194304", 4 * MIB),
        (kinds.TIME, "0", 0),
        (kinds.TIME, "2030-01-01T00:00:00Z", 1893456000 * S),
        (kinds.TIME, "2030-01-01", 1893456000 * S),
        (kinds.TEXTS, "[a, b]", ("a", "b")),
        (kinds.TEXTS, "a, b", ("a", "b")),
        (kinds.TEXTS, "[]", ()),
        (kinds.TEXT_MAP, "{a: 1, b: x}", (("a", "1"), ("b", "x"))),
    ],
)
def test_values(kind: Kind[object], text: str, value: object) -> None:
    assert kind.parse(node(text)) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (kinds.BOOL, "'true'", "cannot unmarshal !!str `true` into bool (use true or false)"),
        (kinds.BOOL, "1", "cannot unmarshal !!int `1` into bool (use true or false)"),
        (kinds.COUNT, "abc", "cannot unmarshal !!str `abc` into int (use a whole number)"),
        (kinds.COUNT, "012", "cannot unmarshal !!int `012` into int (use a whole number)"),
        (kinds.COUNT, "1.5", "cannot unmarshal !!float `1.5` into int (use a whole number)"),
        (kinds.COUNT, "[1]", "cannot unmarshal !!seq into int (use a whole number)"),
        (kinds.COUNT, "-1", "-1 is out of range, use 0 to 2147483647"),
        (kinds.PORT, "65536", "65536 is out of range, use 0 to 65535"),
        (kinds.COUNT, "1" * 30, f"cannot unmarshal !!int `{'1' * 30}` into int (use a whole number)"),
        (kinds.FLOAT, "-1", "cannot unmarshal !!int `-1` into float64 (use a number from 0 to 1e+12)"),
        (kinds.FLOAT, ".inf", "cannot unmarshal !!float `.inf` into float64 (use a number from 0 to 1e+12)"),
        (kinds.FLOAT, "1.0e+300", "cannot unmarshal !!float `1.0e+300` into float64 (use a number from 0 to 1e+12)"),
        (kinds.TEXT, "{a: b}", "cannot unmarshal !!map into string"),
        (kinds.choice("a", "b"), "c", "unrecognized value 'c', use one of a, b"),
        (
            kinds.DURATION,
            "5",
            "cannot unmarshal !!int `5` into time.Duration (use a duration such as 30s, 5m, 1h30m, 7d)",
        ),
        (
            kinds.DURATION,
            "-1s",
            "cannot unmarshal !!str `-1s` into time.Duration (use a duration that is not negative)",
        ),
        (
            kinds.POSITIVE_DURATION,
            "0s",
            "cannot unmarshal !!str `0s` into time.Duration (use a duration longer than 0)",
        ),
        (
            kinds.SIZE,
            "12 parsecs",
            "cannot unmarshal !!str `12 parsecs` into flagext.ByteSize (use a size such as 512KB, 64MiB, 1.5GB)",
        ),
        (kinds.SIZE, "8EiB", "cannot unmarshal !!str `8EiB` into flagext.ByteSize (use 0 bytes to 8 EiB)"),
        (
            kinds.TIME,
            "soon",
            "cannot unmarshal !!str `soon` into flagext.Time (use a time such as 2026-01-31T15:04:05Z)",
        ),
        (
            kinds.TIME,
            "20300101",
            "cannot unmarshal !!int `20300101` into flagext.Time (use a time such as 2026-01-31T15:04:05Z)",
        ),
        (kinds.TEXTS, "{a: b}", "cannot unmarshal !!map into []string (use a list of strings)"),
        (kinds.TEXT_MAP, "[a]", "cannot unmarshal !!seq into map[string]string (use a map of strings)"),
    ],
)
def test_wrong_values(kind: Kind[object], text: str, message: str) -> None:
    with pytest.raises(BadValue) as caught:
        kind.parse(node(text))
    assert str(caught.value) == message


def test_long_wrong_values_are_cut() -> None:
    with pytest.raises(BadValue) as caught:
        kinds.COUNT.parse(node("x" * 5000))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://key:secret@eu-west-1/bucket", "s3://********@eu-west-1/bucket"),
        ("s3://key:sec@ret@host:9000/bucket", "s3://********@host:9000/bucket"),
        ("s3://eu-west-1/bucket", "s3://eu-west-1/bucket"),
        ("s3://key:sec/ret@host/bucket", "********"),
        ("s3://key:secret@[host/bucket", "********"),
    ],
)
def test_urls_are_shown_without_credentials(url: str, shown: str) -> None:
    assert kinds.mask_url(url) == shown


def test_secrets_are_masked_and_never_repeated() -> None:
    assert kinds.SECRET.masked(scalar("hush")) == scalar(kinds.MASK)
    assert kinds.SECRET.masked(scalar("")) == scalar("")
    with pytest.raises(BadValue) as caught:
        kinds.SECRET.parse(node("{hush: hush}"))
    assert "hush" not in str(caught.value)
