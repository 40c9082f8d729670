"""Turns of queries: tenants that flood do not keep others waiting, and nobody who leaves keeps a turn."""

from __future__ import annotations

import asyncio

import pytest

from lodur.model.clock import ManualClock
from lodur.model.errors import LimitExceeded
from lodur.query.admission import Admission


class Site:
    """A turnstile, and tasks that hold turns until they are told to go."""

    def __init__(self, running_max: int = 2, spare: int = 1, waiting_max: int = 100) -> None:
        clock = ManualClock(0)
        self.admission = Admission(
            running_max=running_max, spare=spare, heavy_max=1, waiting_max=waiting_max, clock=clock
        )
        self.served: list[str] = []
        self.goes = asyncio.Event()

    async def take(self, tenant: str) -> None:
        async with self.admission.turn(tenant):
            self.served.append(tenant)
            await self.goes.wait()

    async def start(self, *tenants: str) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self.take(tenant)) for tenant in tenants]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return tasks


def test_a_quiet_tenant_goes_before_the_hundred_of_a_loud_one() -> None:
    async def main() -> None:
        site = Site()
        tasks = await site.start(*["loud"] * 50, "quiet", "third")
        assert site.served == ["loud", "loud", "quiet"]
        site.goes.set()
        await asyncio.gather(*tasks)
        assert site.served[3] == "third"
        assert (len(site.served), site.admission.running, site.admission.waiting) == (52, 0, 0)

    asyncio.run(main())


def test_too_many_that_wait_are_refused_and_only_then() -> None:
    async def main() -> None:
        site = Site(running_max=1, spare=1, waiting_max=2)
        tasks = await site.start("loud", "loud", "loud", "loud")
        with pytest.raises(LimitExceeded, match=r"^too many outstanding requests$") as refused:
            await tasks[3]
        assert refused.value.retryable
        others = await site.start("quiet")
        assert site.served == ["loud", "quiet"]
        site.goes.set()
        await asyncio.gather(*tasks[:3], *others)

    asyncio.run(main())


@pytest.mark.parametrize("when", ["waiting", "called"])
def test_who_is_cancelled_gives_the_turn_to_the_next(when: str) -> None:
    async def main() -> None:
        site = Site(running_max=1, spare=0)
        first, second, third = await site.start("a", "a", "a")
        if when == "called":
            # The turn has come, and the task does not know it yet.
            site.goes.set()
            await first
            site.goes.clear()
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        site.goes.set()
        await asyncio.gather(first, third)
        assert (site.admission.running, site.admission.waiting) == (0, 0)

    asyncio.run(main())
