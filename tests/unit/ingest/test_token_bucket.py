"""Rates and bursts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lodur.ingest.token_bucket import TokenBucket


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(rate=10, burst=20, now_s=0)
    assert bucket.take(20, 0)
    assert not bucket.take(1, 0)
    assert not bucket.take(11, 1)
    assert bucket.take(10, 1)


def test_more_than_the_burst_never_passes() -> None:
    bucket = TokenBucket(rate=10, burst=20, now_s=0)
    assert not bucket.take(21, 1e9)
    assert bucket.take(20, 1e9)


def test_a_clock_that_stands_still_gives_nothing() -> None:
    bucket = TokenBucket(rate=10, burst=10, now_s=5)
    assert bucket.take(10, 5)
    assert not bucket.take(1, 4)


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 2)), max_size=60))
def test_what_passes_is_bounded_by_burst_and_rate(asked: list[tuple[int, float]]) -> None:
    bucket, now_s, taken = TokenBucket(rate=10, burst=30, now_s=0), 0.0, 0
    for tokens, wait_s in asked:
        now_s += wait_s
        taken += tokens if bucket.take(tokens, now_s) else 0
    assert taken <= 30 + 10 * now_s + 1e-6


def test_a_change_of_rate_gives_no_new_burst() -> None:
    bucket = TokenBucket(rate=10, burst=20, now_s=0)
    assert bucket.take(15, 0)
    bucket.change(rate=1, burst=20, now_s=0)
    assert not bucket.take(6, 0)
    assert bucket.take(6, 1)
    bucket.change(rate=1, burst=50, now_s=1)
    assert bucket.take(30, 1)
    assert not bucket.take(1, 1)
    bucket.change(rate=1, burst=5, now_s=1)
    assert not bucket.take(1, 1)
    assert bucket.take(5, 100)
