"""Who may run: a bounded number of queries at a time, fairly among tenants, and a bounded number of each that wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lodur.model.clock import Clock
from lodur.model.errors import LimitExceeded
from lodur.model.turnstile import Turn, Turnstile


class Admission:
    """The turnstile before the engine. Belongs to the event loop."""

    def __init__(self, *, running_max: int, spare: int, heavy_max: int, waiting_max: int, clock: Clock) -> None:
        self._turnstile = Turnstile(running_max=running_max, spare=spare, heavy_max=heavy_max, clock=clock)
        self._waiting_max = waiting_max

    @property
    def running(self) -> int:
        return self._turnstile.running

    @property
    def waiting(self) -> int:
        return self._turnstile.waiting

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[Turn]:
        """Wait for a turn and hold it. Raises LimitExceeded at once where too many of the tenant's queries wait."""
        if self._turnstile.would_be_beyond(tenant, self._waiting_max):
            raise LimitExceeded(
                "too many outstanding requests", limit="max_outstanding_per_tenant", tenant=tenant, retryable=True
            )
        async with self._turnstile.turn(tenant) as turn:
            yield turn
