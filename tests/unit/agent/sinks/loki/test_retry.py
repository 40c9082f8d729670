"""What happens to a batch after each kind of answer."""

from __future__ import annotations

import random

import pytest

from lodur.agent.sinks.loki.options import Backoff
from lodur.agent.sinks.loki.retry import TRANSPORT_ERROR, Again, Delivered, GivenUp, Verdict, judge, parse_retry_after


def verdict(status: int, tries: int = 1, retry_after_s: float | None = None, drop: bool = False) -> Verdict:
    return judge(
        status,
        tries=tries,
        retry_after_s=retry_after_s,
        backoff=Backoff(),
        drop_rate_limited=drop,
        rng=random.Random(1),
    )


@pytest.mark.parametrize("status", [200, 204])
def test_success_is_delivered(status: int) -> None:
    assert verdict(status) == Delivered()


@pytest.mark.parametrize("status", [TRANSPORT_ERROR, 429, 500, 502, 503, 599])
def test_passing_trouble_is_tried_again(status: int) -> None:
    assert isinstance(verdict(status), Again)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 422])
def test_other_answers_are_final(status: int) -> None:
    assert verdict(status) == GivenUp("ingester_error")


def test_rate_limits_can_be_dropped() -> None:
    assert verdict(429, drop=True) == GivenUp("rate_limited")


def test_ends_after_ten_tries() -> None:
    assert isinstance(verdict(500, tries=9), Again)
    assert verdict(500, tries=10) == GivenUp("ingester_error")
    assert verdict(429, tries=10) == GivenUp("rate_limited")


def test_waits_double_with_jitter_up_to_the_longest() -> None:
    for tries in range(1, 10):
        answer = verdict(500, tries=tries)
        assert isinstance(answer, Again)
        assert 0.5 * 2 ** (tries - 1) <= answer.after_s <= 2**tries


def test_never_waits_longer_than_the_longest_period() -> None:
    backoff = Backoff(max_tries=0)
    answer = judge(
        500, tries=10_000, retry_after_s=None, backoff=backoff, drop_rate_limited=False, rng=random.Random(2)
    )
    assert answer == Again(300.0)


def test_the_server_may_ask_for_a_longer_wait() -> None:
    assert verdict(429, retry_after_s=60.0) == Again(60.0)
    assert verdict(503, retry_after_s=86400.0) == Again(300.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, None), ("7", 7.0), (" 7 ", 7.0), ("-1", None), ("x", None), ("Fri, 31 Dec 1999 23:59:59 GMT", None)],
)
def test_reads_retry_after(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text) == seconds
