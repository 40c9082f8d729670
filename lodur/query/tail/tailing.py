"""All live tails of a server: they are opened, woken by pushes, served and closed here.

As long as nobody tails a tenant, a push of it costs one look into a dictionary. Start at `Tailing.open` and
`Tailing.offer`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import structlog

from lodur.kernels.head import HeadView
from lodur.kernels.push_decode import DecodedPush
from lodur.kernels.scan import LogResult
from lodur.kernels.scan_plan import Logs
from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_HOUR
from lodur.model.errors import LimitExceeded, LodurError, Unavailable
from lodur.model.limits import MIB
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.engine import LimitsOf
from lodur.query.limit_checks import visible_span
from lodur.query.plan.lowering import log_scan_plan
from lodur.query.plan.nodes import LogScan
from lodur.query.sources import ReadableStore
from lodur.query.tail.feed import Feed, FeedKey
from lodur.query.tail.fresh_rows import Batch, FreshRows
from lodur.query.tail.messages import FoundRows
from lodur.query.tail.requests import TailEnd, TailForm, TailRequest
from lodur.query.tail.tail import Tail
from lodur.query.workplace import Workplace
from lodur.telemetry.tail_metrics import TailMetrics

LOOK_PERIOD_S = 0.1
"""Between looks at the fresh rows of a tenant: what a reader takes for at once, and few enough scans."""

THREADS = 2
"""Tenants whose tails are served at the same time."""

AHEAD_NS = NS_PER_HOUR
"""The history of a tail takes in entries whose clocks go before ours."""

HISTORY_MAX_BYTES = 64 * MIB
"""What the entries that a tail begins with may take."""

DRAIN_TIMEOUT_S = 3.0

CONCURRENT_TEXT = "max concurrent tail requests limit exceeded, count > limit ({count} > {limit})"
DURATION_TEXT = "reached tail max duration limit"
FAILED_TEXT = "internal error"
STOPPING_TEXT = "the server is stopping"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Tailed:
    """A tenant that somebody tails."""

    tenant: TenantId
    fresh: FreshRows = field(default_factory=FreshRows)
    feeds: dict[FeedKey, Feed] = field(default_factory=dict)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    taken: list[Batch] = field(default_factory=list)
    """Rows that were taken so that a new tail does not see them, and not passed on yet."""

    @property
    def tails(self) -> int:
        return sum(len(feed.tails) for feed in self.feeds.values())


@dataclass(frozen=True, slots=True)
class OpenTail:
    """A tail and what it begins with."""

    tail: Tail
    history: tuple[str, ...]
    """Messages."""
    feed: FeedKey


class Tailing:
    """`offer` may be called from any thread, all else from the event loop."""

    def __init__(
        self,
        store: ReadableStore,
        clock: Clock,
        limits_of: LimitsOf,
        workplace: Workplace,
        *,
        duration_max_s: float,
        metrics: TailMetrics,
        visible: Callable[[TenantId, HeadView], HeadView] = lambda _, view: view,
    ) -> None:
        """What tails begin with is looked for where queries are run; `visible` leaves out what nobody is to see."""
        self._store = store
        self._visible = visible
        self._clock = clock
        self._limits_of = limits_of
        self._duration_max_s = duration_max_s
        self._metrics = metrics
        self._tenants: dict[TenantId, _Tailed] = {}
        self._workplace = workplace
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="tail")
        self._serving: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False
        self._alone = 0
        """Feeds so far of tails that share nothing."""

    def offer(self, tenant: TenantId, push: DecodedPush) -> None:
        """Rows that are kept and that queries see already."""
        tailed = self._tenants.get(tenant)
        if tailed is not None and tailed.fresh.add(push) and self._loop is not None:
            self._loop.call_soon_threadsafe(tailed.woken.set)

    async def open(self, tenant: TenantId, plan: LogScan, request: TailRequest) -> OpenTail:
        """Begin a tail; `leave` must be called for it. Raises LimitExceeded, InvalidRequest, Unavailable."""
        if self._is_closed:
            raise Unavailable(STOPPING_TEXT)
        limits = self._limits_of(tenant)
        span = visible_span(TimeSpan(request.start_ns, self._clock.now_ns()), limits, self._clock.now_ns())
        tailed = self._tailed(tenant)
        try:
            count = tailed.tails + 1
            if limits.tail_requests_max and count > limits.tail_requests_max:
                text = CONCURRENT_TEXT.format(count=count, limit=limits.tail_requests_max)
                raise LimitExceeded(text, limit="max_concurrent_tail_requests", tenant=tenant.value)
            if batch := tailed.fresh.take():
                tailed.taken.append(batch)
                tailed.woken.set()
            key = self._key(plan, request)
            feed = tailed.feeds.get(key) or Feed(key)
            tail = Tail(form=request.form, first_batch=tailed.fresh.next_number())
            feed.tails.append(tail)
            tailed.feeds[key] = feed
        finally:
            self._drop_if_idle(tenant, tailed)
        self._metrics.opened()
        try:
            # The snapshot of the head is taken before anything is waited for: a row is in it, or in a later batch.
            history = await self._history(tenant, plan, request, span) if span is not None else ()
        except BaseException:
            self.leave(tenant, OpenTail(tail, (), key))
            raise
        if self._duration_max_s:
            tail.finish_after(self._duration_max_s, TailEnd(DURATION_TEXT))
        return OpenTail(tail, history, key)

    def leave(self, tenant: TenantId, opened: OpenTail) -> None:
        """Let go of a tail; once for each that was opened."""
        tailed, tail = self._tenants[tenant], opened.tail
        feed = tailed.feeds[opened.feed]
        feed.tails.remove(tail)
        if not feed.tails:
            del tailed.feeds[opened.feed]
        tail.left()
        self._metrics.closed()
        self._metrics.dropped_entries.inc(tail.dropped_entries)
        self._drop_if_idle(tenant, tailed)

    def close(self) -> None:
        """End all tails, and take no more."""
        self._is_closed = True
        for tailed in self._tenants.values():
            _finish(tailed, TailEnd(STOPPING_TEXT, is_stop=True))

    async def drained(self) -> None:
        """Wait for clients to be told that it is over, though not for those that do not listen; after `close`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                while self._serving:
                    await asyncio.wait(self._serving)

    def join(self) -> None:
        """Wait for threads; after `close`. Blocks."""
        self._threads.shutdown(wait=True)

    def _tailed(self, tenant: TenantId) -> _Tailed:
        found = self._tenants.get(tenant)
        if found is None:
            self._loop = asyncio.get_running_loop()
            found = self._tenants[tenant] = _Tailed(tenant)
            serving = asyncio.create_task(self._serve(found))
            self._serving.add(serving)
            serving.add_done_callback(self._serving.discard)
        return found

    def _drop_if_idle(self, tenant: TenantId, tailed: _Tailed) -> None:
        if not tailed.feeds:
            del self._tenants[tenant]
            tailed.woken.set()

    async def _history(self, tenant: TenantId, plan: LogScan, request: TailRequest, span: TimeSpan) -> tuple[str, ...]:
        end_ns = span.end_ns + AHEAD_NS
        sources = await self._store.sources(tenant, span.start_ns, end_ns)
        async with self._workplace.turn((tenant,), (self._limits_of(tenant),)) as place:
            task = Logs(span.start_ns, end_ns, request.limit, backward=True)
            result = await place.scanner.logs(log_scan_plan(plan, task), sources, HISTORY_MAX_BYTES)
        return await asyncio.to_thread(_written, result, request.form)

    async def _serve(self, tailed: _Tailed) -> None:
        """Pass the rows of a tenant on, until nobody tails it any more."""
        try:
            await self._pass_on_for_ever(tailed)
        except Exception:
            _log.exception("tails of a tenant end")
            _finish(tailed, TailEnd(FAILED_TEXT))
            raise

    async def _pass_on_for_ever(self, tailed: _Tailed) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await tailed.woken.wait()
            tailed.woken.clear()
            if not tailed.feeds:
                return
            work = [(feed, tuple(feed.tails)) for feed in tailed.feeds.values()]
            batches, tailed.taken = tailed.taken, []
            if batch := tailed.fresh.take():
                batches.append(batch)
            await loop.run_in_executor(self._threads, self._pass_on, tailed.tenant, work, batches)
            for _, tails in work:
                for tail in tails:
                    tail.notify()
            await asyncio.sleep(LOOK_PERIOD_S)
            if any(feed.holds_rows() for feed, _ in work):
                tailed.woken.set()

    def _pass_on(self, tenant: TenantId, work: list[tuple[Feed, tuple[Tail, ...]]], batches: list[Batch]) -> None:
        now_ns, now_s = self._clock.now_ns(), self._clock.monotonic_s()
        batches = [replace(batch, view=self._visible(tenant, batch.view)) for batch in batches]
        for feed, tails in work:
            _lose(batches, tails, lambda batch: batch.lost_rows, now_ns)
            try:
                feed.pass_on(batches, tails, now_ns=now_ns, now_s=now_s)
            except LodurError as error:
                # Rows of other batches may be fine, and so may other tails.
                _lose(batches, tails, lambda batch: batch.view.rows, now_ns)
                _log.warning("rows cannot be shown to tails", tails=len(tails), err=str(error))

    def _key(self, plan: LogScan, request: TailRequest) -> FeedKey:
        if not request.delay_ns:
            return FeedKey(plan, request.form, 0)
        self._alone += 1
        return FeedKey(plan, request.form, request.delay_ns, self._alone)


def _lose(batches: list[Batch], tails: tuple[Tail, ...], rows_of: Callable[[Batch], int], now_ns: int) -> None:
    """Tell each tail of rows of the batches that are meant for it."""
    for tail in tails:
        if rows := sum(rows_of(batch) for batch in batches if batch.number >= tail.first_batch):
            tail.lose(rows, now_ns=now_ns)


def _finish(tailed: _Tailed, end: TailEnd) -> None:
    for feed in tailed.feeds.values():
        for tail in feed.tails:
            tail.finish(end)


def _written(result: LogResult, form: TailForm) -> tuple[str, ...]:
    found = FoundRows([result], form)
    return tuple(message.text for message in found.messages(found.entries))
