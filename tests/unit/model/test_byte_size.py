from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.model.byte_size import (
    format_byte_size,
    format_exact_byte_size,
    format_setting_byte_size,
    parse_byte_size,
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("42", 42),
        ("42B", 42),
        ("5kB", 5000),
        ("5KB", 5000),
        ("5k", 5000),
        ("5M", 5_000_000),
        ("1.5 gib", 1_610_612_736),
        ("2KiB", 2048),
        ("1,024B", 1024),
        ("1.5B", 1),
        ("1EiB", 2**60),
    ],
)
def test_parse(text: str, size_bytes: int) -> None:
    assert parse_byte_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "x", "-1", "5xb", "5 K B", "1e3", "17EiB", "9" * 40])
def test_parse_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_byte_size(text)


@pytest.mark.parametrize(
    ("size_bytes", "printed", "exact"),
    [
        (0, "0B", "0B"),
        (9, "9B", "9B"),
        (82, "82B", "82B"),
        (1000, "1.0kB", "1.0kB"),
        (1234, "1.2kB", "1234B"),
        (2048, "2.0kB", "2KiB"),
        (3_000_000, "3.0MB", "3.0MB"),
        (63_488, "64kB", "62KiB"),
        (999_999, "1000kB", "999999B"),
        (2 * 10**15, "2.0PB", "2000TB"),
    ],
)
def test_format(size_bytes: int, printed: str, exact: str) -> None:
    assert format_byte_size(size_bytes) == printed
    assert format_exact_byte_size(size_bytes) == exact


@given(st.integers(0, 2**64 - 1))
def test_exact_form_reads_back(size_bytes: int) -> None:
    assert parse_byte_size(format_exact_byte_size(size_bytes)) == size_bytes


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0B"),
        (90, "90B"),
        (1024, "1KB"),
        (1025, "1025B"),
        (3 << 20, "3MB"),
        (1536 << 10, "1536KB"),
        (1 << 60, "1EB"),
    ],
)
def test_sizes_as_settings_write_them(size_bytes: int, text: str) -> None:
    assert format_setting_byte_size(size_bytes) == text
