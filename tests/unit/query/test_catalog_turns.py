"""Questions about streams take turns as queries do: they wait, are refused when too many wait, and end in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lodur.logql.parser import parse_selector
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_MS
from lodur.model.errors import DeadlineExceeded, LimitExceeded
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.catalog import Catalog
from lodur.query.options import QuerierOptions
from lodur.query.volumes import VolumeRequest
from lodur.query.workplace import Workplace
from tests.memory_store import MemoryStore

T0_NS = 1_700_000_000 * 10**9
SPAN = TimeSpan(T0_NS, T0_NS + 10**9)
TENANT = TenantId("t")
SELECTOR = parse_selector('{app="x"}')

Question = Callable[[Catalog], Awaitable[object]]

QUESTIONS: dict[str, Question] = {
    "streams": lambda catalog: catalog.streams_json(TENANT, [SELECTOR], SPAN),
    "label names": lambda catalog: catalog.label_names(TENANT, [], SPAN),
    "label values": lambda catalog: catalog.label_values(TENANT, "app", [], SPAN),
    "coverage": lambda catalog: catalog.coverage(TENANT, SELECTOR, SPAN),
    "volumes": lambda catalog: catalog.volumes([TENANT], VolumeRequest(SELECTOR, SPAN, 10)),
    "detected labels": lambda catalog: catalog.detected_labels([TENANT], SELECTOR, SPAN),
}


def site(limits: QueryLimits) -> tuple[Workplace, Catalog]:
    store = MemoryStore()
    store.add_head("t", {"app=x": [(T0_NS, "line")]})
    clock = ManualClock(T0_NS)
    workplace = Workplace(QuerierOptions(threads=1, concurrent_queries_max=1, queued_queries_max=1), clock)
    return workplace, Catalog(store, clock, lambda _: limits, workplace)


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_they_wait_for_their_turn_and_not_too_many_of_them(question: Question) -> None:
    async def main() -> None:
        workplace, catalog = site(QueryLimits())
        async with workplace.turn((TENANT,), (QueryLimits(),)):
            waiting = asyncio.ensure_future(question(catalog))
            await asyncio.sleep(0)
            assert (workplace.running, workplace.waiting) == (1, 1)
            with pytest.raises(LimitExceeded, match="too many outstanding requests"):
                await question(catalog)
        assert await waiting
        assert (workplace.running, workplace.waiting) == (0, 0)
        workplace.close()

    asyncio.run(main())


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_waiting_counts_for_the_timeout(question: Question) -> None:
    async def main() -> None:
        workplace, catalog = site(QueryLimits(timeout_ns=NS_PER_MS))
        async with workplace.turn((TENANT,), (QueryLimits(timeout_ns=0),)):
            with pytest.raises(DeadlineExceeded, match="request timed out"):
                await question(catalog)
            assert workplace.waiting == 0
        workplace.close()

    asyncio.run(main())


def test_who_goes_away_while_waiting_takes_no_turn() -> None:
    async def main() -> None:
        workplace, catalog = site(QueryLimits())
        async with workplace.turn((TENANT,), (QueryLimits(),)):
            waiting = asyncio.ensure_future(catalog.label_names(TENANT, [], SPAN))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert workplace.waiting == 0
        assert workplace.running == 0
        workplace.close()

    asyncio.run(main())
