"""The place of a query: as many threads and as much time as all of its tenants may have."""

from __future__ import annotations

import asyncio

import pytest

from lodur.kernels.scan import Cancel
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_MS
from lodur.model.errors import DeadlineExceeded
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.options import QuerierOptions
from lodur.query.workplace import Workplace

A, B = TenantId("a"), TenantId("b")


def threads_of(*limits: QueryLimits) -> int:
    async def main() -> int:
        workplace = Workplace(QuerierOptions(threads=8), ManualClock())
        async with workplace.turn([A, B][: len(limits)], limits) as place:
            assert workplace.running == 1
            return place.scanner.threads

    return asyncio.run(main())


def test_a_query_has_the_fewest_threads_that_its_tenants_allow() -> None:
    assert threads_of(QueryLimits()) == 8
    assert threads_of(QueryLimits(parallelism_max=3), QueryLimits(parallelism_max=2)) == 2


def test_the_shortest_time_holds() -> None:
    async def main() -> None:
        workplace = Workplace(QuerierOptions(threads=1), ManualClock())
        limits = QueryLimits(timeout_ns=0), QueryLimits(timeout_ns=NS_PER_MS)
        with pytest.raises(DeadlineExceeded, match="request timed out"):
            async with workplace.turn((A, B), limits) as place:
                await place.scanner.in_thread(wait_for_cancel)
        assert (workplace.running, workplace.waiting) == (0, 0)
        workplace.close()

    asyncio.run(main())


def wait_for_cancel(cancel: Cancel) -> None:
    while True:
        cancel.check()
