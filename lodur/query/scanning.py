"""Scans on threads: compiled once, run without the event loop, stopped when nobody waits any more.

Pages of remote segments are fetched before the scan that reads them; a log query fetches them in slices of time, those
first that answer it, and stops when it has enough. Start at `Scanner.metric` and `Scanner.logs`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import msgspec

from lodur.kernels.head import HeadView
from lodur.kernels.scan import Cancel, LogResult, MetricResult, Scan
from lodur.kernels.scan_plan import Logs, ScanPlan, encode
from lodur.kernels.segment import Segment
from lodur.model.errors import LimitExceeded
from lodur.model.limits import GIB, MIB
from lodur.model.time_span import TimeSpan
from lodur.query.sources import RemoteSegment, Source, segment_of

RESULT_MAX_BYTES = 512 * MIB
"""What one scan may hold: series by steps, or entries. Some concurrent queries of this size still fit a server."""

REMOTE_MAX_BYTES = 1 * GIB
"""Fetched pages that one scan may hold, for the same reason; they are compressed, so this is a tenfold of lines."""

REMOTE_READS_MAX = 16
"""Segments fetched at the same time: enough to hide an object store's delay, few enough to share its bandwidth."""

Local: TypeAlias = HeadView | Segment
"""A source whose bytes are at hand."""

T = TypeVar("T")


class Scanner:
    """Runs scans. `workers` queries work at the same time, each on up to `threads` threads."""

    def __init__(self, *, workers: int, threads: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="query")
        self._threads = threads

    def close(self) -> None:
        """Take no more work and wait for what runs."""
        self._pool.shutdown(wait=True)

    async def in_thread(self, work: Callable[[Cancel], T]) -> T:
        """Run `work` on a thread; when the caller is cancelled, so is the scan, before the caller goes on."""
        cancel = Cancel()
        job = self._pool.submit(work, cancel)
        future = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            cancel.set()
            if not job.cancel():
                await asyncio.wait([future])
                future.exception()
            raise

    async def metric(self, plan: ScanPlan, sources: Sequence[Source]) -> MetricResult:
        """Run a plan whose task is `Metric`."""
        scan = await self._compiled(plan)
        local = await self._fetched(scan, sources)
        return await self.in_thread(
            lambda cancel: scan.run_metric(local, cancel=cancel, threads=self._threads, bytes_max=RESULT_MAX_BYTES)
        )

    async def logs(self, plan: ScanPlan, sources: Sequence[Source]) -> LogResult:
        """Run a plan whose task is `Logs`."""
        assert isinstance(plan.task, Logs)
        results: list[LogResult] = []
        left = plan.task.limit
        for piece in log_slices(plan.task, sources):
            task = msgspec.structs.replace(plan.task, start_ns=piece.start_ns, end_ns=piece.end_ns, limit=left)
            results.append(await self._logs_at_once(msgspec.structs.replace(plan, task=task), sources))
            left -= results[-1].entries
            if left <= 0:
                break
        if len(results) == 1:
            return results[0]
        parts: list[tuple[LogResult, list[tuple[str, str]]]] = [(result, []) for result in results]
        return LogResult.merge(parts, limit=plan.task.limit, backward=plan.task.backward)

    async def _logs_at_once(self, plan: ScanPlan, sources: Sequence[Source]) -> LogResult:
        assert isinstance(plan.task, Logs)
        span = TimeSpan(plan.task.start_ns, plan.task.end_ns)
        scan = await self._compiled(plan)
        local = await self._fetched(scan, [source for source in sources if may_hold(source, span)])
        return await self.in_thread(
            lambda cancel: scan.run_logs(local, cancel=cancel, threads=self._threads, bytes_max=RESULT_MAX_BYTES)
        )

    async def _compiled(self, plan: ScanPlan) -> Scan:
        message = encode(plan)
        return await self.in_thread(lambda _: Scan.compile(message))

    async def _fetched(self, scan: Scan, sources: Sequence[Source]) -> list[Local]:
        """The sources in their order, the remote ones with the pages that the scan reads."""
        turns = asyncio.Semaphore(REMOTE_READS_MAX)
        remote = [source for source in sources if not isinstance(source, HeadView | Segment)]
        wanted = await asyncio.gather(*(self._wanted(scan, source, turns) for source in remote))
        size_bytes = sum(length for one in wanted for _, length in one.pages)
        if size_bytes > REMOTE_MAX_BYTES:
            raise LimitExceeded(
                f"the query would fetch {size_bytes} bytes at once (limit: {REMOTE_MAX_BYTES}); "
                "consider adding more specific stream selectors or reduce the time range of the query",
                limit="max_query_bytes_read",
            )
        ready = iter(await asyncio.gather(*(_with_pages(one, turns) for one in wanted)))
        return [source if isinstance(source, HeadView | Segment) else next(ready) for source in sources]

    async def _wanted(self, scan: Scan, source: RemoteSegment, turns: asyncio.Semaphore) -> _Wanted:
        """The pages that a scan reads of a segment, once its gram filter was asked."""
        probe = scan.probe_ranges(source.segment)
        probed: list[tuple[int, bytes]] = []
        if probe:
            async with turns:
                probed = await source.read_ranges(probe)
        segment = source.segment.with_ranges(probed)
        return _Wanted(source, probed, await self.in_thread(lambda _: scan.page_ranges(segment)))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be fetched of a remote segment, and what of it is there already."""

    source: RemoteSegment
    probed: list[tuple[int, bytes]]
    pages: list[tuple[int, int]]


async def _with_pages(wanted: _Wanted, turns: asyncio.Semaphore) -> Segment:
    if not wanted.pages:
        return wanted.source.segment.with_ranges(wanted.probed)
    async with turns:
        pages = await wanted.source.read_ranges(wanted.pages)
    return wanted.source.segment.with_ranges(wanted.probed + pages)


def log_slices(task: Logs, sources: Sequence[Source]) -> Iterator[TimeSpan]:
    """The span of a log query in the order of its direction, cut where more remote segments come in.

    Local sources need no cuts: a scan stops by itself. The first slice takes in no more than one remote segment, each
    later one twice as many as all before it. An interval is counted over the whole span, which then stays whole.
    """
    rest = TimeSpan(task.start_ns, task.end_ns)
    remote = [source.segment for source in sources if not isinstance(source, HeadView | Segment)]
    if task.backward:
        edges = sorted((segment.max_ts_ns + 1 for segment in remote), reverse=True)
    else:
        edges = sorted(segment.min_ts_ns for segment in remote)
    taken = 1
    while taken < len(edges) and not task.interval_ns:
        edge = edges[taken]
        if rest.start_ns < edge < rest.end_ns:
            if task.backward:
                yield TimeSpan(edge, rest.end_ns)
                rest = replace(rest, end_ns=edge)
            else:
                yield TimeSpan(rest.start_ns, edge)
                rest = replace(rest, start_ns=edge)
        taken *= 2
    yield rest


def may_hold(source: Source, span: TimeSpan) -> bool:
    """Whether a source can have rows in a span; a head always can."""
    segment = segment_of(source)
    return segment is None or (segment.min_ts_ns < span.end_ns and segment.max_ts_ns >= span.start_ns)
