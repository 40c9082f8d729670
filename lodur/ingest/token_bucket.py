"""A rate with a burst: tokens come at a constant rate and are taken by those who want to pass."""

from __future__ import annotations

import threading


class TokenBucket:
    """Full at first. Any thread may take; nobody waits."""

    def __init__(self, *, rate: float, burst: float, now_s: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at_s = now_s
        self._lock = threading.Lock()

    def change(self, *, rate: float, burst: float, now_s: float) -> None:
        """Another rate and burst from now on; what was taken stays taken, as far as the burst has room for it."""
        with self._lock:
            self._refill(now_s)
            self._tokens = max(0.0, self._tokens + burst - self._burst)
            self._rate, self._burst = rate, burst

    def take(self, tokens: float, now_s: float) -> bool:
        """Take all of them, or none and give False. More than the burst can never be taken."""
        with self._lock:
            self._refill(now_s)
            if tokens > self._tokens:
                return False
            self._tokens -= tokens
            return True

    def _refill(self, now_s: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now_s - self._at_s) * self._rate)
        self._at_s = max(self._at_s, now_s)
