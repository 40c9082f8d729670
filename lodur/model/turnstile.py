"""Turns for tenants, taken by coroutines: who has none left waits. The rules are those of `fair_turns`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lodur.model.clock import Clock
from lodur.model.fair_turns import FairTurns


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to run."""

    is_heavy: bool
    """The tenant uses much while others are there."""


class Turnstile:
    """Belongs to the event loop."""

    def __init__(self, *, running_max: int, spare: int, heavy_max: int, clock: Clock) -> None:
        self._turns: FairTurns[asyncio.Future[None]] = FairTurns(
            running_max=running_max, spare=spare, heavy_max=heavy_max
        )
        self._clock = clock

    @property
    def running(self) -> int:
        return self._turns.running

    @property
    def waiting(self) -> int:
        return self._turns.waiting

    def let_heavy(self, turns: int) -> None:
        """How many turns a heavy tenant may hold from now on."""
        self._turns.heavy_max = turns

    def would_be_beyond(self, tenant: str, waiting_max: int) -> bool:
        """Whether a tenant that came now would be one more to wait than so many."""
        return (
            self._turns.would_wait(tenant, self._clock.monotonic_s()) and self._turns.waiting_of(tenant) >= waiting_max
        )

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[Turn]:
        """Wait for a turn and hold it."""
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        begun_s = self._clock.monotonic_s()
        if not self._turns.enter(tenant, called, begun_s):
            try:
                await called
            except asyncio.CancelledError:
                if not self._turns.withdraw(tenant, called):
                    self._leave(tenant, 0.0)
                raise
            begun_s = self._clock.monotonic_s()
        try:
            yield Turn(self._turns.is_heavy(tenant, begun_s))
        finally:
            self._leave(tenant, self._clock.monotonic_s() - begun_s)

    def _leave(self, tenant: str, used_s: float) -> None:
        for called in self._turns.leave(tenant, used_s, self._clock.monotonic_s()):
            # Whoever was cancelled in this very moment gives the turn back when it wakes.
            if not called.done():
                called.set_result(None)
