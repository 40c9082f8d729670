"""Who may run: a bounded number of queries at a time, fairly among tenants, and a bounded number of each that wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lodur.model.clock import Clock
from lodur.model.errors import LimitExceeded
from lodur.model.fair_turns import FairTurns


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to run."""

    is_heavy: bool
    """The tenant uses much while others are there: what it does should yield to them."""


class Admission:
    """The turnstile before the work. Belongs to the event loop."""

    def __init__(self, *, running_max: int, spare: int, waiting_max: int, clock: Clock) -> None:
        self._turns: FairTurns[asyncio.Future[None]] = FairTurns(running_max=running_max, spare=spare)
        self._waiting_max = waiting_max
        self._clock = clock

    @property
    def running(self) -> int:
        return self._turns.running

    @property
    def waiting(self) -> int:
        return self._turns.waiting

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[Turn]:
        """Wait for a turn and hold it. Raises LimitExceeded at once where too many of the tenant's queries wait."""
        if self._turns.would_wait(tenant) and self._turns.waiting_of(tenant) >= self._waiting_max:
            raise LimitExceeded(
                "too many outstanding requests", limit="max_outstanding_per_tenant", tenant=tenant, retryable=True
            )
        begun_s = self._clock.monotonic_s()
        is_heavy = self._turns.is_heavy(tenant, begun_s)
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._turns.enter(tenant, called, begun_s):
            try:
                await called
            except asyncio.CancelledError:
                if not self._turns.withdraw(tenant, called):
                    self._leave(tenant, 0.0)
                raise
            begun_s = self._clock.monotonic_s()
            is_heavy = self._turns.is_heavy(tenant, begun_s)
        try:
            yield Turn(is_heavy)
        finally:
            self._leave(tenant, self._clock.monotonic_s() - begun_s)

    def _leave(self, tenant: str, used_s: float) -> None:
        for called in self._turns.leave(tenant, used_s, self._clock.monotonic_s()):
            # Whoever was cancelled in this very moment gives the turn back when it wakes.
            if not called.done():
                called.set_result(None)
