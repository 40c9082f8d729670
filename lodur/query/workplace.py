"""Where queries are run: turns that tenants take, and the threads that do their work.

Whoever answers queries shares one workplace, so that a tenant cannot get more by asking in other ways. Start at
`Workplace.turn`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_S
from lodur.model.errors import DeadlineExceeded
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.admission import Admission
from lodur.query.options import QuerierOptions
from lodur.query.scanning import Scanner

TIMEOUT_TEXT = (
    "request timed out, decrease the duration of the request or add more label matchers (prefer exact match over "
    "regex match) to reduce the amount of data processed"
)


@dataclass(frozen=True, slots=True)
class Place:
    """What a query got: its threads, and how long it waited for them."""

    scanner: Scanner
    queue_s: float


class Workplace:
    """Belongs to the event loop."""

    def __init__(self, options: QuerierOptions, clock: Clock) -> None:
        running_max = options.concurrent_queries_max
        spare = max(1, running_max // 2)
        self._clock = clock
        self._threads = options.threads
        self._pool = ThreadPoolExecutor(running_max + spare, "query")
        # One core less than there are: what others do does not have to share it with heavy tenants.
        self._heavy_pool = ThreadPoolExecutor(max(1, options.threads - 1), "query-heavy")
        self._admission = Admission(
            running_max=running_max,
            spare=spare,
            heavy_max=running_max // 2,
            waiting_max=options.queued_queries_max,
            clock=clock,
        )

    @property
    def running(self) -> int:
        """Queries that run."""
        return self._admission.running

    @property
    def waiting(self) -> int:
        """Queries that wait."""
        return self._admission.waiting

    @asynccontextmanager
    async def turn(self, tenants: Sequence[TenantId], limits: Sequence[QueryLimits]) -> AsyncIterator[Place]:
        """A place to work at, and the time to use it that all limits allow: waiting is part of it.

        Raises LimitExceeded where too many queries of the tenant wait, DeadlineExceeded when the time is over.
        """
        begun_s = self._clock.monotonic_s()
        timeout_s = min((each.timeout_ns / NS_PER_S for each in limits if each.timeout_ns), default=None)
        threads = min([self._threads, *(each.parallelism_max for each in limits)])
        try:
            async with asyncio.timeout(timeout_s), self._admission.turn(tenants[0].value) as turn:
                queue_s = self._clock.monotonic_s() - begun_s
                if turn.is_heavy:
                    yield Place(Scanner(self._heavy_pool, threads=1), queue_s)
                else:
                    yield Place(Scanner(self._pool, threads=threads), queue_s)
        except TimeoutError as error:
            raise DeadlineExceeded(TIMEOUT_TEXT) from error

    def close(self) -> None:
        """Take no more work and wait for what runs. Blocks."""
        self._pool.shutdown(wait=True)
        self._heavy_pool.shutdown(wait=True)
