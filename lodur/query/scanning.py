"""Scans on threads: compiled once, run without the event loop, stopped when nobody waits any more.

Pages of remote segments are fetched before the scan that reads them; a log query fetches them in slices of time, those
first that answer it, and stops when it has enough; a metric query whose pages are too many is scanned in parts, one
range of steps after the other. Start at `Scanner.metric` and `Scanner.logs`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias, TypeVar

import msgspec

from lodur.kernels.head import HeadView
from lodur.kernels.pattern_plan import PatternPlan
from lodur.kernels.pattern_plan import encode as encode_pattern_plan
from lodur.kernels.patterns import PatternScan
from lodur.kernels.scan import Cancel, LogResult, MetricResult, Scan, ScanStats
from lodur.kernels.scan_plan import Logs, Metric, ScanPlan, encode
from lodur.kernels.segment import Segment
from lodur.model.errors import CorruptData, LimitExceeded
from lodur.model.limits import GIB, MIB
from lodur.model.time_span import TimeSpan
from lodur.query.answers import Pattern
from lodur.query.sources import RemoteSegment, Source, directory_of, segment_of

REMOTE_MAX_BYTES = 1 * GIB
"""Fetched pages that one scan may hold: some concurrent queries that do so still fit a server. They are compressed:
this is a tenfold of lines."""

PATTERN_BLOCKS_MAX_BYTES = 256 * MIB
"""Lines of the blocks that one search for patterns reads: a second or two of work, and far more lines than patterns."""

REMOTE_READS_MAX = 16
"""Segments fetched at the same time: enough to hide an object store's delay, few enough to share its bandwidth."""

SEGMENTS_AT_ONCE = 64
"""Whose pages one turn on a thread finds, at some 0.2 ms each: a query that nobody waits for stops between two."""

Local: TypeAlias = HeadView | Segment
"""A source whose bytes are at hand."""

T = TypeVar("T")


class Scanner:
    """Runs scans on the threads of a pool, each on up to `threads` more.

    What one scan fetches of remote segments is held to `remote_max_bytes`; a query that needs more is done in parts.
    """

    def __init__(self, pool: ThreadPoolExecutor, *, threads: int, remote_max_bytes: int = REMOTE_MAX_BYTES) -> None:
        self._pool = pool
        self.threads = threads
        """Threads of one scan."""
        self._remote_max_bytes = remote_max_bytes

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

    async def metric(self, plan: ScanPlan, sources: Sequence[Source], memory_max_bytes: int) -> list[MetricResult]:
        """Run a plan whose task is `Metric`; the results are of consecutive ranges of its steps, one at least.

        Partial aggregates take no more memory than is allowed, and neither does each result.
        """
        assert isinstance(plan.task, Metric)
        async with _damage_discarded(sources):
            return await self._metric(plan, sources, memory_max_bytes)

    async def _metric(self, plan: ScanPlan, sources: Sequence[Source], memory_max_bytes: int) -> list[MetricResult]:
        assert isinstance(plan.task, Metric)
        at_hand = local_sources(sources, window_span(plan.task))
        if at_hand is not None:
            return [await self._run_metric(partial(Scan.compile, encode(plan)), at_hand, memory_max_bytes)]
        scan = await self._compiled(plan)
        located = await self._located(scan, sources, window_span(plan.task))
        if fetched_bytes(located) > self._remote_max_bytes and plan.task.steps > 1:
            first, second = (msgspec.structs.replace(plan, task=task) for task in halves(plan.task))
            return [
                *await self._metric(first, sources, memory_max_bytes),
                *await self._metric(second, sources, memory_max_bytes),
            ]
        return [await self._run_metric(partial(_same, scan), await self._fetched(located), memory_max_bytes)]

    async def logs(self, plan: ScanPlan, sources: Sequence[Source], memory_max_bytes: int) -> LogResult:
        """Run a plan whose task is `Logs`; its entries take no more memory than is allowed."""
        assert isinstance(plan.task, Logs)
        async with _damage_discarded(sources):
            return await self._logs(plan, plan.task, sources, memory_max_bytes)

    async def _logs(self, plan: ScanPlan, whole: Logs, sources: Sequence[Source], memory_max_bytes: int) -> LogResult:
        results: list[LogResult] = []
        left = whole.limit
        pieces = deque(log_slices(whole, sources))
        while pieces and left > 0:
            piece = pieces.popleft()
            task = msgspec.structs.replace(whole, start_ns=piece.start_ns, end_ns=piece.end_ns, limit=left)
            part_plan = msgspec.structs.replace(plan, task=task)
            at_hand = local_sources(sources, piece)
            if at_hand is not None:
                compiled = partial(Scan.compile, encode(part_plan))
                results.append(await self._run_logs(compiled, at_hand, memory_max_bytes))
                left -= results[-1].entries
                memory_max_bytes -= results[-1].held_bytes
                continue
            scan = await self._compiled(part_plan)
            located = await self._located(scan, sources, piece)
            if fetched_bytes(located) > self._remote_max_bytes and piece.length_ns > 1 and not task.interval_ns:
                middle_ns = piece.start_ns + piece.length_ns // 2
                parts = [TimeSpan(piece.start_ns, middle_ns), TimeSpan(middle_ns, piece.end_ns)]
                pieces.extendleft(parts if task.backward else reversed(parts))
                continue
            results.append(await self._run_logs(partial(_same, scan), await self._fetched(located), memory_max_bytes))
            left -= results[-1].entries
            memory_max_bytes -= results[-1].held_bytes
        if len(results) == 1:
            return results[0]
        merged: list[tuple[LogResult, list[tuple[str, str]]]] = [(result, []) for result in results]
        return LogResult.merge(merged, limit=whole.limit, backward=whole.backward)

    async def patterns(self, plan: PatternPlan, sources: Sequence[Source]) -> tuple[list[Pattern], ScanStats]:
        """Find patterns; where the blocks are too large to read all, in a part of them."""
        async with _damage_discarded(sources):
            return await self._patterns(plan, sources)

    async def _patterns(self, plan: PatternPlan, sources: Sequence[Source]) -> tuple[list[Pattern], ScanStats]:
        message = encode_pattern_plan(plan)
        scan = await self.in_thread(lambda _: PatternScan.compile(message))
        directories = [directory_of(source) for source in sources]
        size_bytes = await self.in_thread(lambda _: scan.block_bytes(directories))
        if size_bytes > PATTERN_BLOCKS_MAX_BYTES:
            keep_every = -(-size_bytes // PATTERN_BLOCKS_MAX_BYTES)
            thinned = encode_pattern_plan(msgspec.structs.replace(plan, keep_every=keep_every))
            scan = await self.in_thread(lambda _: PatternScan.compile(thinned))
        local = await self._fetched(await self._located(scan, sources, TimeSpan(plan.start_ns, plan.end_ns)))
        found, stats = await self.in_thread(lambda cancel: scan.run(local, cancel=cancel, threads=self.threads))
        return [Pattern(text, level, tuple(samples)) for text, level, samples in found], stats

    async def _run_metric(self, compiled: Callable[[], Scan], local: list[Local], bytes_max: int) -> MetricResult:
        return await self.in_thread(
            lambda cancel: compiled().run_metric(local, cancel=cancel, threads=self.threads, bytes_max=bytes_max)
        )

    async def _run_logs(self, compiled: Callable[[], Scan], local: list[Local], bytes_max: int) -> LogResult:
        return await self.in_thread(
            lambda cancel: compiled().run_logs(local, cancel=cancel, threads=self.threads, bytes_max=max(0, bytes_max))
        )

    async def _compiled(self, plan: ScanPlan) -> Scan:
        message = encode(plan)
        return await self.in_thread(lambda _: Scan.compile(message))

    async def _located(
        self, scan: Scan | PatternScan, sources: Sequence[Source], span: TimeSpan
    ) -> list[Local | Wanted]:
        """The sources that can have rows in a span, in their order; of remote ones, what the scan reads of them.

        Remote ones whose gram filters rule out every block are left out.
        """
        held = [source for source in sources if may_hold(source, span)]
        turns = asyncio.Semaphore(REMOTE_READS_MAX)
        remote = [source for source in held if not isinstance(source, HeadView | Segment)]
        probed = await asyncio.gather(*(_probed(scan, source, turns) for source in remote))
        size = max(1, min(SEGMENTS_AT_ONCE, -(-len(remote) // self.threads)))
        parts = [probed[start : start + size] for start in range(0, len(probed), size)]
        wanted = await asyncio.gather(*(self.in_thread(partial(_wanted, scan, part)) for part in parts))
        by_source = {id(one.source): one for part in wanted for one in part}
        located: list[Local | Wanted] = []
        for source in held:
            if isinstance(source, HeadView | Segment):
                located.append(source)
            elif one := by_source.get(id(source)):
                located.append(one)
        return located

    async def _fetched(self, located: list[Local | Wanted]) -> list[Local]:
        """The sources with the pages at hand. LimitExceeded where they are too many even for a part of the query."""
        size_bytes = fetched_bytes(located)
        if size_bytes > self._remote_max_bytes:
            raise LimitExceeded(
                f"the query would fetch {size_bytes} bytes at once (limit: {self._remote_max_bytes}); "
                "consider adding more specific stream selectors or reduce the time range of the query",
                limit="max_query_bytes_read",
            )
        turns = asyncio.Semaphore(REMOTE_READS_MAX)

        async def fetch(source: Local | Wanted) -> Local:
            return await _with_pages(source, turns) if isinstance(source, Wanted) else source

        return await asyncio.gather(*(fetch(source) for source in located))


@dataclass(frozen=True, slots=True)
class Probed:
    """A remote segment, and the parts of its gram filter that a scan looks at."""

    source: RemoteSegment
    ranges: list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched of a remote segment, and what of it is there already."""

    source: RemoteSegment
    probed: list[tuple[int, bytes]]
    pages: list[tuple[int, int]]


@asynccontextmanager
async def _damage_discarded(sources: Sequence[Source]) -> AsyncIterator[None]:
    """Let caches forget a segment that is found damaged: the next attempt is to read what lies in the store."""
    try:
        yield
    except CorruptData as error:
        for source in sources:
            if not isinstance(source, HeadView | Segment) and source.segment.path == error.path:
                await asyncio.to_thread(source.discard)
        raise


async def _probed(scan: Scan | PatternScan, source: RemoteSegment, turns: asyncio.Semaphore) -> Probed:
    """What a scan must know of a segment's gram filter."""
    probe = scan.probe_ranges(source.segment)
    if not probe:
        return Probed(source, [])
    async with turns:
        return Probed(source, await source.read_ranges(probe))


def _wanted(scan: Scan | PatternScan, probed: Sequence[Probed], cancel: Cancel) -> list[Wanted]:
    """The pages that a scan reads of some segments; without those of which a filter leaves nothing."""
    found: list[Wanted] = []
    for one in probed:
        cancel.check()
        pages = scan.page_ranges(one.source.segment.with_ranges(one.ranges))
        if pages or not one.ranges:
            found.append(Wanted(one.source, one.ranges, pages))
    return found


async def _with_pages(wanted: Wanted, turns: asyncio.Semaphore) -> Segment:
    if not wanted.pages:
        return wanted.source.segment.with_ranges(wanted.probed)
    async with turns:
        pages = await wanted.source.read_ranges(wanted.pages)
    return wanted.source.segment.with_ranges(wanted.probed + pages)


def _same(scan: Scan) -> Scan:
    return scan


def local_sources(sources: Sequence[Source], span: TimeSpan) -> list[Local] | None:
    """The sources that can have rows in a span, if all of them are at hand: their scan is compiled and run at once."""
    local: list[Local] = []
    for source in sources:
        if may_hold(source, span):
            if not isinstance(source, HeadView | Segment):
                return None
            local.append(source)
    return local


def fetched_bytes(located: Sequence[Local | Wanted]) -> int:
    """What fetching the pages of remote segments would bring."""
    return sum(length for one in located if isinstance(one, Wanted) for _, length in one.pages)


def window_span(task: Metric) -> TimeSpan:
    """All times that the windows of a task cover."""
    first_ns = task.start_ns - task.offset_ns
    return TimeSpan(first_ns - task.range_ns + 1, first_ns + (task.steps - 1) * task.step_ns + 1)


def halves(task: Metric) -> tuple[Metric, Metric]:
    """The first and the second half of the steps (two at least)."""
    count = task.steps // 2
    second_ns = task.start_ns + count * task.step_ns
    return (
        msgspec.structs.replace(task, steps=count),
        msgspec.structs.replace(task, start_ns=second_ns, steps=task.steps - count),
    )


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
