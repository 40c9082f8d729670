"""Questions about the streams of a big store stop soon after their time is over, or their client has left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from lodur.logql.parser import parse_selector
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_MS
from lodur.model.errors import DeadlineExceeded
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.catalog import Catalog
from lodur.query.options import QuerierOptions
from lodur.query.volumes import VolumeBy, VolumeRequest
from lodur.query.workplace import Workplace
from tests.memory_store import MemoryStore

T0_NS = 1_700_000_000 * 10**9
SPAN = TimeSpan(T0_NS, T0_NS + 10**9)
TENANT = TenantId("t")
SELECTOR = parse_selector('{app=~".+"}')
STREAMS = 3000
SOURCES = 20_000
"""Of these streams each, as after months: looking through all of them takes many seconds."""

STOPPED_S = 1.0
"""A source takes a millisecond; the rest is for a machine that is busy."""

Question = Callable[[Catalog], Awaitable[object]]

QUESTIONS: dict[str, Question] = {
    "streams": lambda catalog: catalog.streams_json(TENANT, [SELECTOR], SPAN),
    "label names": lambda catalog: catalog.label_names(TENANT, [], SPAN),
    "label values": lambda catalog: catalog.label_values(TENANT, "app", [SELECTOR], SPAN),
    "coverage": lambda catalog: catalog.coverage(TENANT, SELECTOR, SPAN),
    "volumes": lambda catalog: catalog.volumes([TENANT], VolumeRequest(SELECTOR, SPAN, 10)),
    "volumes by names, in steps": lambda catalog: catalog.volumes(
        [TENANT], VolumeRequest(SELECTOR, SPAN, 10, step_ns=10**8, by=VolumeBy.LABELS)
    ),
    "detected labels": lambda catalog: catalog.detected_labels([TENANT], None, SPAN),
}


@pytest.fixture(scope="module")
def big_store() -> MemoryStore:
    store = MemoryStore()
    store.add_head("t", {f"app=a-{number},pod=p-{number}": [(T0_NS, "line")] for number in range(STREAMS)})
    store.by_tenant[TENANT] *= SOURCES
    return store


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_what_runs_in_a_kernel_ends_in_time(big_store: MemoryStore, question: Question) -> None:
    async def main() -> None:
        clock = ManualClock(T0_NS)
        workplace = Workplace(QuerierOptions(threads=1, concurrent_queries_max=1, queued_queries_max=1), clock)
        limits = QueryLimits(timeout_ns=100 * NS_PER_MS)
        catalog = Catalog(big_store, clock, lambda _: limits, workplace)
        begun_s = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="request timed out"):
            await question(catalog)
        assert time.monotonic() - begun_s < STOPPED_S
        assert workplace.running == 0
        workplace.close()
        assert time.monotonic() - begun_s < STOPPED_S

    asyncio.run(main())


def test_who_leaves_is_not_worked_for(big_store: MemoryStore) -> None:
    async def main() -> None:
        clock = ManualClock(T0_NS)
        workplace = Workplace(QuerierOptions(threads=1, concurrent_queries_max=1, queued_queries_max=1), clock)
        catalog = Catalog(big_store, clock, lambda _: QueryLimits(), workplace)
        asked = asyncio.ensure_future(catalog.streams_json(TENANT, [SELECTOR], SPAN))
        done, _ = await asyncio.wait([asked], timeout=0.1)
        assert not done
        left_s = time.monotonic()
        asked.cancel()
        await asyncio.wait([asked])
        workplace.close()
        assert time.monotonic() - left_s < STOPPED_S

    asyncio.run(main())
