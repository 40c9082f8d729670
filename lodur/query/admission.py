"""Who may run: a bounded number of queries at a time, and a bounded number of each tenant that wait."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lodur.model.errors import LimitExceeded


class Admission:
    """The turnstile before the engine."""

    def __init__(self, *, running_max: int, waiting_max: int) -> None:
        self._turns = asyncio.Semaphore(running_max)
        self._waiting_max = waiting_max
        self._waiting: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises LimitExceeded at once where too many of the tenant's queries wait."""
        if self._turns.locked() and self._waiting[tenant] >= self._waiting_max:
            raise LimitExceeded(
                "too many outstanding requests", limit="max_outstanding_per_tenant", tenant=tenant, retryable=True
            )
        self._waiting[tenant] += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting[tenant] -= 1
            if not self._waiting[tenant]:
                del self._waiting[tenant]
        try:
            yield
        finally:
            self._turns.release()
