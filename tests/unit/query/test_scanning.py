"""Scans over segments in an object store: the answers of local ones, and no more fetched than needed."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from lodur.kernels.scan_plan import Logs
from lodur.kernels.segment import Segment
from lodur.logql.parser import parse_log_query, parse_query
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_S
from lodur.model.errors import LimitExceeded
from lodur.model.label_set import LabelSet
from lodur.model.limits import GIB, QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import MatrixAnswer, StreamsAnswer
from lodur.query.engine import Engine
from lodur.query.evaluate.matrix import Matrix, beside
from lodur.query.options import QuerierOptions
from lodur.query.plan.lowering import log_scan_plan, range_scan_plan
from lodur.query.plan.nodes import LogScan, RangeScan
from lodur.query.plan.planner import make_plan
from lodur.query.requests import RangeRequest
from lodur.query.scanning import Scanner, log_slices
from tests.memory_store import DAY_NS, FileAsRemote, MemoryStore, segment_file

START_NS = 19_700 * DAY_NS
SEGMENTS = 8
TENANT = TenantId("t")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Segments of one hour each, oldest first, with ten lines an hour."""
    return [
        segment_file(
            tmp_path / f"{hour}.parquet",
            {
                "app=x": [(START_NS + hour * NS_PER_HOUR + k * NS_PER_S, f"line {hour}-{k}") for k in range(10)],
                "app=y": [(START_NS + hour * NS_PER_HOUR + k * NS_PER_S, f"other {hour}-{k}") for k in range(3)],
            },
        )
        for hour in range(SEGMENTS)
    ]


def task(limit: int, *, backward: bool, interval_ns: int = 0) -> Logs:
    return Logs(START_NS, START_NS + DAY_NS, limit, backward, interval_ns)


def streams(
    logs: Logs, sources: list[FileAsRemote] | list[Segment], query: str = '{app="x"}', remote_max_bytes: int = GIB
) -> object:
    async def main() -> object:
        with ThreadPoolExecutor(2) as pool:
            scanner = Scanner(pool, threads=1, remote_max_bytes=remote_max_bytes)
            result = await scanner.logs(log_scan_plan(LogScan(parse_log_query(query)), logs), sources, GIB)
        return json.loads(result.streams_json(categorize=False))

    return asyncio.run(main())


@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("limit", [1, 10, 11, 25, 80, 1000])
@pytest.mark.parametrize("query", ['{app="x"}', '{app=~".+"} |= "-2"', '{app="x"} |= "line 3"'])
def test_remote_segments_answer_as_local_ones(paths: list[Path], limit: int, backward: bool, query: str) -> None:
    logs = task(limit, backward=backward)
    remote = [FileAsRemote(path) for path in paths]
    assert streams(logs, remote, query) == streams(logs, [Segment.open_file(path) for path in paths], query)


def test_a_query_that_has_enough_fetches_no_older_segment(paths: list[Path]) -> None:
    remote = [FileAsRemote(path) for path in paths]
    streams(task(5, backward=True), remote)
    assert [one.reads > 0 for one in remote] == [False] * (SEGMENTS - 1) + [True]
    remote = [FileAsRemote(path) for path in paths]
    streams(task(5, backward=False), remote)
    assert [one.reads > 0 for one in remote] == [True] + [False] * (SEGMENTS - 1)


def test_what_is_too_much_to_fetch_at_once_is_fetched_in_parts(paths: list[Path]) -> None:
    """A block of these segments has some hundred bytes, so that none is read beside another."""
    local = [Segment.open_file(path) for path in paths]
    for backward in (True, False):
        remote = [FileAsRemote(path) for path in paths]
        logs = task(1000, backward=backward)
        assert streams(logs, remote, remote_max_bytes=600) == streams(logs, local)
    with pytest.raises(LimitExceeded, match="would fetch"):
        streams(task(1000, backward=True), [FileAsRemote(path) for path in paths], remote_max_bytes=1)


@pytest.mark.parametrize("remote_max_bytes", [GIB, 1000])
def test_metrics_are_scanned_in_parts(paths: list[Path], remote_max_bytes: int) -> None:
    text = 'sum by (app) (count_over_time({app=~".+"} |= "-1" [1h]))'
    plan = make_plan(parse_query(text))
    assert isinstance(plan, RangeScan)
    message = range_scan_plan(plan, start_ns=START_NS, step_ns=NS_PER_HOUR, steps=SEGMENTS + 1, series_max=10)

    async def main() -> list[Matrix]:
        with ThreadPoolExecutor(2) as pool:
            scanner = Scanner(pool, threads=1, remote_max_bytes=remote_max_bytes)
            results = await scanner.metric(message, [FileAsRemote(path) for path in paths], GIB)
        return [Matrix(tuple(map(LabelSet.of, one.labels(0, one.series))), one.values, one.present) for one in results]

    parts = asyncio.run(main())
    assert (len(parts) > 1) is (remote_max_bytes < GIB)
    whole = beside(parts)
    assert list(map(str, whole.labels)) == ['{app="x"}', '{app="y"}']
    assert whole.values.tolist() == [[0.0] + [1.0] * SEGMENTS] * 2
    assert whole.present[:, 1:].all()


def test_slices_cover_the_span_once_and_grow(paths: list[Path]) -> None:
    remote = [FileAsRemote(path) for path in paths]
    for backward in (True, False):
        logs = task(5, backward=backward)
        slices = list(log_slices(logs, remote))
        in_order = slices[::-1] if backward else slices
        assert (in_order[0].start_ns, in_order[-1].end_ns) == (logs.start_ns, logs.end_ns)
        assert all(one.end_ns == following.start_ns for one, following in pairwise(in_order))
        assert len(slices) == 4
    assert len(list(log_slices(task(5, backward=True, interval_ns=1), remote))) == 1
    assert len(list(log_slices(task(5, backward=True), [Segment.open_file(path) for path in paths]))) == 1


def test_metrics_over_remote_segments(paths: list[Path]) -> None:
    store = MemoryStore()
    store.by_tenant[TENANT] = [FileAsRemote(path) for path in paths]
    engine = Engine(store, QuerierOptions(threads=1), ManualClock(START_NS + DAY_NS), lambda _: QueryLimits())
    request = RangeRequest(
        text='sum(count_over_time({app="x"} |= "line" [1h]))',
        start_ns=START_NS,
        end_ns=START_NS + SEGMENTS * NS_PER_HOUR,
        step_ns=NS_PER_HOUR,
        limit=100,
    )
    answer = asyncio.run(engine.range((TENANT,), request))
    assert isinstance(answer, MatrixAnswer)
    # The window of a step is open on the left: an hour's first line belongs to the step before.
    assert answer.matrix.values[0].tolist() == [1.0] + [10.0] * (SEGMENTS - 1) + [9.0]


def test_entries_of_one_stream_stay_together(paths: list[Path]) -> None:
    store = MemoryStore()
    store.by_tenant[TENANT] = [FileAsRemote(path) for path in paths]
    engine = Engine(store, QuerierOptions(threads=1), ManualClock(START_NS + DAY_NS), lambda _: QueryLimits())
    request = RangeRequest('{app="x"}', START_NS, START_NS + DAY_NS, NS_PER_S, 35)
    answer = asyncio.run(engine.range((TENANT,), request))
    assert isinstance(answer, StreamsAnswer)
    (stream,) = json.loads(answer.result.streams_json(categorize=False))
    times = [int(ts_ns) for ts_ns, _ in stream["values"]]
    assert len(times) == 35
    assert times == sorted(times, reverse=True)
