from __future__ import annotations

import pytest

from bench.load import RETRY_MAX_S, RETRY_S, retry_after_s


@pytest.mark.parametrize(
    ("header", "expected_s"),
    [("2", 2.0), ("0", 0.0), ("86400", RETRY_MAX_S), (None, RETRY_S), ("Sat, 21 Nov 2026 01:00:00 GMT", RETRY_S)],
)
def test_a_busy_server_says_when_to_come_back(header: str | None, expected_s: float) -> None:
    assert retry_after_s(header) == expected_s
