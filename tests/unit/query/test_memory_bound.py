"""What one query may hold in memory: whatever would take more is refused, whichever part of it does."""

from __future__ import annotations

import asyncio
import time

import pytest

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_MINUTE, NS_PER_S
from lodur.model.errors import LimitExceeded
from lodur.model.limits import GIB, MIB, QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import MatrixAnswer, StreamsAnswer
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.requests import RangeRequest
from tests.memory_store import MemoryStore

T0_NS = 1_700_000_100 * NS_PER_S
TENANT = TenantId("t")
LINES = 8000

STOPPED_WITHIN_S = 5.0


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    """Eight thousand lines of a hundred bytes and more, each with an id of its own."""
    filled = MemoryStore()
    lines = [(T0_NS + k * 1_000_000, f"id={k:08} took={k}ms " + "x" * 100) for k in range(LINES)]
    filled.add_head("t", {"app=x": lines})
    return filled


def engine(store: MemoryStore, memory_max_bytes: int) -> Engine:
    options = QuerierOptions(threads=2, memory_max_bytes=memory_max_bytes)
    return Engine(store, options, ManualClock(T0_NS), lambda _: QueryLimits(series_max=0, entries_max=0))


def request(text: str, *, steps: int = 1, limit: int = 100) -> RangeRequest:
    end_ns = T0_NS + 2 * NS_PER_MINUTE
    return RangeRequest(text, end_ns - (steps - 1) * NS_PER_S, end_ns, NS_PER_S, limit)


BY_ID = 'sum by (id) (count_over_time({app="x"} | logfmt [2m]))'

QUERIES = {
    "partial aggregates": (request(BY_ID), 2 * MIB),
    "samples of quantiles": (
        request('quantile_over_time(0.5, {app="x"} | logfmt | unwrap duration(took) [2m]) by (app)'),
        100_000,
    ),
    "series by steps": (request(f"count({BY_ID})", steps=2000), 64 * MIB),
    "the answer": (request(f"{BY_ID} * 1.5", steps=110), 40 * MIB),
    "entries": (request('{app="x"}', steps=121, limit=LINES), MIB),
    "entries that were parsed": (request('{app="x"} | logfmt', steps=121, limit=LINES), MIB),
}


@pytest.mark.parametrize("name", QUERIES)
def test_what_takes_too_much_memory_is_refused(store: MemoryStore, name: str) -> None:
    asked, memory_max_bytes = QUERIES[name]
    small = engine(store, memory_max_bytes)
    with pytest.raises(LimitExceeded) as refused:
        asyncio.run(small.range((TENANT,), asked))
    assert refused.value.limit in ("max_query_memory", "max_query_series")
    small.close()
    large = engine(store, GIB)
    answer = asyncio.run(large.range((TENANT,), asked))
    assert isinstance(answer, MatrixAnswer | StreamsAnswer)
    large.close()


@pytest.mark.parametrize("waited_s", [0.0, 0.05, 0.2, 0.4])
def test_a_query_stops_when_its_client_leaves(store: MemoryStore, waited_s: float) -> None:
    """Whether it is at its scan, at what lies above, or done already."""

    async def main() -> None:
        queries = engine(store, GIB)
        text = f"topk(10, {BY_ID}) / on (id) {BY_ID}"
        task = asyncio.create_task(queries.range((TENANT,), request(text, steps=1000)))
        await asyncio.wait([task], timeout=waited_s)
        left_s = time.monotonic()
        task.cancel()
        await asyncio.wait([task])
        queries.close()
        assert time.monotonic() - left_s < STOPPED_WITHIN_S

    asyncio.run(main())
