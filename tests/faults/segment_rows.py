"""The rows of segment files, read as a query reads them, whatever delete requests say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import orjson

from lodur.kernels.segment import Segment
from lodur.model.clock import ManualClock
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import StreamsAnswer
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.requests import RangeRequest
from lodur.query.sources import Source
from tests.compacting_node import FOREVER_NS, TENANT, Row


class SegmentsAlone:
    """A store of some files."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files

    async def sources(self, tenant: TenantId, start_ns: int, end_ns: int) -> Sequence[Source]:
        return [Segment.open_file(file) for file in self._files]


def stored_rows(files: Sequence[Path]) -> frozenset[Row]:
    """All rows, each once. Raises CorruptData."""
    limits = QueryLimits(entries_max=0, length_max_ns=0)
    engine = Engine(SegmentsAlone(files), QuerierOptions(threads=1), ManualClock(), lambda _: limits)
    try:
        return asyncio.run(asked_rows(engine))
    finally:
        engine.close()


async def asked_rows(engine: Engine) -> frozenset[Row]:
    """Everything that the engine finds."""
    start_ns, end_ns = FOREVER_NS
    request = RangeRequest(text='{app=~".+"}', start_ns=start_ns, end_ns=end_ns, step_ns=10**9, limit=100_000)
    answer = await engine.range((TENANT,), request)
    assert isinstance(answer, StreamsAnswer)
    streams = orjson.loads(answer.result.streams_json(categorize=False))
    return frozenset((one["stream"]["app"], int(ts_ns), line) for one in streams for ts_ns, line in one["values"])
