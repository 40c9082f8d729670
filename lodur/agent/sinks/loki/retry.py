"""What to do with a batch after the server's answer. Decides only; sends nothing and waits for nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass

from lodur.agent.sinks.loki.options import Backoff

TRANSPORT_ERROR = -1
"""Stands for a status where there was no answer, in decisions and in the metric's label."""

_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Delivered:
    """The server has it."""


@dataclass(frozen=True, slots=True)
class Again:
    """Send it again after `after_s`."""

    after_s: float


@dataclass(frozen=True, slots=True)
class GivenUp:
    """It will not be sent again; `reason` is the metric's label."""

    reason: str


Verdict = Delivered | Again | GivenUp


def judge(
    status: int,
    *,
    tries: int,
    retry_after_s: float | None,
    backoff: Backoff,
    drop_rate_limited: bool,
    rng: random.Random,
) -> Verdict:
    """Decide after the `tries`th request (from 1). The server's `retry_after_s` is kept up to the longest period."""
    if 200 <= status < 300:
        return Delivered()
    is_rate_limited = status == _TOO_MANY_REQUESTS
    reason = "rate_limited" if is_rate_limited else "ingester_error"
    if is_rate_limited and drop_rate_limited:
        return GivenUp(reason)
    if not (is_rate_limited or status >= 500 or status == TRANSPORT_ERROR):
        return GivenUp(reason)
    if backoff.max_tries and tries >= backoff.max_tries:
        return GivenUp(reason)
    return Again(_wait_s(tries, backoff, retry_after_s, rng))


def parse_retry_after(text: str | None) -> float | None:
    """Seconds of a `Retry-After` header; None when it is absent or a date, which clocks may not agree on."""
    if text is None or not text.strip().isascii() or not text.strip().isdigit():
        return None
    return float(text.strip()[:9])


def _wait_s(tries: int, backoff: Backoff, retry_after_s: float | None, rng: random.Random) -> float:
    doublings = min(tries - 1, 62)
    base_s = min(backoff.min_period_s * float(1 << doublings), backoff.max_period_s)
    jittered_s = min(base_s * rng.uniform(1.0, 2.0), backoff.max_period_s)
    return max(jittered_s, min(retry_after_s or 0.0, backoff.max_period_s))
