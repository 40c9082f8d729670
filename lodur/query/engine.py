"""The engine: a query text in, an answer out.

Parses, plans, checks limits, waits for a turn, runs the scans of the plan on threads and computes what lies above them.
Knows no HTTP and no wire format. A caller that is cancelled stops its scans; so does the tenant's `query_timeout`.
Start at `Engine.range` and `Engine.instant`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np
from prometheus_client import CollectorRegistry

from lodur.kernels.fields import detect_fields, field_values
from lodur.kernels.head import HeadView
from lodur.kernels.pattern_plan import PatternPlan
from lodur.kernels.scan import Cancel, LogResult, MetricResult, ScanStats
from lodur.kernels.scan_plan import Logs, encode_matchers
from lodur.kernels.segment import Segment
from lodur.kernels.volume import index_stats
from lodur.logql.parser import parse_query
from lodur.logql.selector import Selector
from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_S
from lodur.model.errors import InvalidRequest
from lodur.model.label_set import LabelSet
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.admission import Admission
from lodur.query.answers import (
    Field,
    InstantAnswer,
    MatrixAnswer,
    Pattern,
    RangeAnswer,
    ScalarAnswer,
    StreamsAnswer,
    VectorAnswer,
)
from lodur.query.computing import SAMPLE_BYTES, compute
from lodur.query.evaluate.matrix import Matrix, beside, constant_matrix, empty_matrix, stack
from lodur.query.limit_checks import (
    check_blocked,
    check_bytes,
    check_entries,
    check_features,
    check_plan,
    check_points,
    check_selector,
    check_series,
    query_kind,
    visible_span,
)
from lodur.query.live_sources import on_live_sources
from lodur.query.options import QuerierOptions
from lodur.query.parser_names import parser_names
from lodur.query.plan.building import build_plan
from lodur.query.plan.lowering import log_scan_plan, range_scan_plan, stream_matchers
from lodur.query.plan.nodes import LogScan, MetricPlan, Number, Plan, RangeScan, walk
from lodur.query.plan.planner import optimised
from lodur.query.requests import FieldsRequest, InstantRequest, RangeRequest
from lodur.query.result_cache import ResultCache, ScannedPart
from lodur.query.sources import DamageReports, NoDamage, ReadableStore, Source, segment_of
from lodur.query.stats import Statistics, total_counts
from lodur.query.steps import Steps, aligned_steps, one_step, steps_from
from lodur.query.tenants import TENANT_LABEL, chosen_tenants, labelled
from lodur.query.workplace import Place, Workplace
from lodur.telemetry.request_facts import Phase, request_facts
from lodur.telemetry.store_metrics import CacheMetrics
from lodur.wire.request_limits import parse_request_limits

SCAN_SERIES_MAX = 200_000
"""Series of one scan whatever aggregates them afterwards: more labels than this take seconds to group."""

LABELS_AT_ONCE = 2000
"""Label sets that are handed over in one call, some milliseconds long: meanwhile Python does nothing else."""

TAKES_A_PART = ("source", "grafana-lokiexplore-app")
"""The tag of clients that show some series rather than an error where they are too many."""

PART_WARNING = "maximum number of series ({}) reached for a single query; returning partial results"

PATTERNS_MAX = 300
"""Patterns in one answer: those of fewest lines are left out, which nobody reads."""

PLANNED_AT_ONCE_CHARS = 1000
"""Longer queries are parsed on a thread: the longest of all takes a second, which other requests need not wait for."""

NO_DAMAGE = NoDamage()

LimitsOf: TypeAlias = Callable[[TenantId], QueryLimits]
"""The limits of a tenant, as they are now."""


@dataclass(slots=True)
class _Run:
    """One query under way."""

    tenants: tuple[TenantId, ...]
    limits: tuple[QueryLimits, ...]
    place: Place
    started_s: float
    scanned: list[ScanStats] = field(default_factory=list)
    takes_a_part: bool = False
    """Whether a part of too many series is welcome, with a warning."""
    warnings: list[str] = field(default_factory=list)
    is_fresh: bool = False
    """Nothing that was kept of earlier queries is to be taken."""

    @property
    def series_max(self) -> int:
        """The least number of series that a tenant allows; 0 where none says so."""
        return min((limits.series_max for limits in self.limits if limits.series_max), default=0)


class Engine:
    """Answers queries over a store. Every method may raise the errors of `lodur.model.errors`."""

    def __init__(
        self,
        store: ReadableStore,
        options: QuerierOptions,
        clock: Clock,
        limits_of: LimitsOf,
        damage: DamageReports = NO_DAMAGE,
        cache_metrics: CacheMetrics | None = None,
    ) -> None:
        cache_metrics = cache_metrics or CacheMetrics(CollectorRegistry())
        self._results = ResultCache(options.results_max_bytes, options.results_ttl_s, cache_metrics, clock)
        self._store = store
        self._damage = damage
        self._clock = clock
        self._limits_of = limits_of
        self._memory_max_bytes = options.memory_max_bytes
        self._rules_left_out = options.rules_left_out
        self._takes_request_limits = options.request_limits_enabled
        self.workplace = Workplace(options, clock)
        """Others who answer queries work here too."""
        self._planning = Admission(
            running_max=1, spare=1, heavy_max=1, waiting_max=options.queued_queries_max, clock=clock
        )

    def close(self) -> None:
        """Answer nothing more; waits for what runs."""
        self.workplace.close()

    async def range(self, tenants: Sequence[TenantId], request: RangeRequest) -> RangeAnswer:
        """Answer a query over a span of time, for one tenant or more."""
        plan = await self._planned(request.text, tenants, request.tags)
        async with self._run(tenants, request.own_limits) as run:
            if isinstance(plan, LogScan):
                return await self._entries(run, plan, request)
            for limits in run.limits:
                check_plan(plan, limits)
            run.takes_a_part, run.is_fresh = TAKES_A_PART in request.tags, request.is_fresh
            span = self._visible(run, TimeSpan(request.start_ns, request.end_ns))
            if span is None:
                return MatrixAnswer(empty_matrix(1), one_step(request.end_ns), self._statistics(run))
            aligned = all(limits.steps_aligned for limits in run.limits)
            steps = (aligned_steps if aligned else steps_from)(span.start_ns, span.end_ns, request.step_ns)
            matrix = await self._series(run, plan, steps)
            return MatrixAnswer(matrix, steps, self._statistics(run), tuple(dict.fromkeys(run.warnings)))

    async def instant(self, tenants: Sequence[TenantId], request: InstantRequest) -> InstantAnswer:
        """Answer a metric query at one time. InvalidRequest for a log query."""
        plan = await self._planned(request.text, tenants, request.tags)
        if isinstance(plan, LogScan):
            raise InvalidRequest(
                "log queries are not supported as an instant query type, please change your query to a range query type"
            )
        async with self._run(tenants, request.own_limits) as run:
            if isinstance(plan, Number):
                return ScalarAnswer(plan.value, request.time_ns, self._statistics(run))
            for limits in run.limits:
                check_plan(plan, limits)
            run.takes_a_part = TAKES_A_PART in request.tags
            if self._visible(run, TimeSpan(request.time_ns, request.time_ns)) is None:
                return VectorAnswer(empty_matrix(1), request.time_ns, self._statistics(run))
            matrix = await self._series(run, plan, one_step(request.time_ns))
            return VectorAnswer(matrix, request.time_ns, self._statistics(run), tuple(dict.fromkeys(run.warnings)))

    async def fields(self, tenants: Sequence[TenantId], request: FieldsRequest) -> list[Field]:
        """The fields of the entries of a log query. InvalidRequest for a metric query."""
        plan = await self._planned_log(tenants, request.entries)
        parsers = parser_names(plan.query.stages)
        async with self._run(tenants, request.entries.own_limits) as run:
            result = (await self._entries(run, plan, request.entries)).result
            found = await run.place.scanner.in_thread(
                lambda cancel: detect_fields(result, parsers=parsers, limit=request.limit, cancel=cancel)
            )
        return [
            Field(
                one.name,
                one.kind,
                one.cardinality,
                tuple(one.parsers),
                None if one.json_path is None else tuple(one.json_path),
            )
            for one in found
        ]

    async def field_values(self, tenants: Sequence[TenantId], name: str, request: FieldsRequest) -> list[str]:
        """Values of one of the fields. InvalidRequest for a metric query."""
        plan = await self._planned_log(tenants, request.entries)
        parsers = parser_names(plan.query.stages)
        async with self._run(tenants, request.entries.own_limits) as run:
            result = (await self._entries(run, plan, request.entries)).result
            return await run.place.scanner.in_thread(
                lambda cancel: field_values(result, name=name, parsers=parsers, limit=request.limit, cancel=cancel)
            )

    async def patterns(self, tenant: TenantId, selector: Selector, span: TimeSpan, step_ns: int) -> list[Pattern]:
        """Patterns of a selector's lines, those of most lines first."""
        async with self._run((tenant,)) as run:
            for limits in run.limits:
                check_selector(selector, limits)
            seen = self._visible(run, span)
            if seen is None:
                return []
            matchers = stream_matchers(selector)
            plan = PatternPlan(matchers, seen.start_ns, seen.end_ns, step_ns, PATTERNS_MAX)
            sources = partial(self._store.sources, tenant, seen.start_ns, seen.end_ns)
            set_aside = partial(self._damage.set_damaged_aside, tenant)
            patterns, _ = await on_live_sources(sources, partial(run.place.scanner.patterns, plan), set_aside)
            return patterns

    async def plan_tail(self, tenant: TenantId, text: str) -> Plan:
        """The plan of a query that is to be followed, checked against what the tenant may ask."""
        plan = await self._planned(text, (tenant,), ())
        check_plan(plan, self._limits_of(tenant))
        return plan

    async def _planned_log(self, tenants: Sequence[TenantId], request: RangeRequest) -> LogScan:
        plan = await self._planned(request.text, tenants, request.tags)
        if not isinstance(plan, LogScan):
            raise InvalidRequest("only log selector is supported")
        return plan

    async def _planned(self, text: str, tenants: Sequence[TenantId], tags: Sequence[tuple[str, str]]) -> Plan:
        if (facts := request_facts()) is not None:
            facts.query = text
        if len(text) <= PLANNED_AT_ONCE_CHARS:
            return self._plan(text, tenants, tags)
        async with self._planning.turn(tenants[0].value):
            return await asyncio.to_thread(self._plan, text, tenants, tags)

    def _plan(self, text: str, tenants: Sequence[TenantId], tags: Sequence[tuple[str, str]]) -> Plan:
        query = parse_query(text)
        written = build_plan(query)
        for tenant in tenants:
            limits = self._limits_of(tenant)
            check_blocked(text, written, tags, limits)
            check_features(query, limits)
        return optimised(written, many_tenants=len(tenants) > 1, without=self._rules_left_out)

    @asynccontextmanager
    async def _run(self, tenants: Sequence[TenantId], own_limits: str = "") -> AsyncIterator[_Run]:
        """A turn, and the time to use it."""
        limits = tuple(map(self._limits_of, tenants))
        if own_limits and self._takes_request_limits:
            own = parse_request_limits(own_limits)
            limits = tuple(map(own.over, limits))
        started_s, begun_ns = self._clock.monotonic_s(), self._clock.now_ns()
        async with self.workplace.turn(tenants, limits) as place:
            run = _Run(tuple(tenants), limits, place, started_s)
            try:
                yield run
            finally:
                self._note(run, begun_ns)

    def _note(self, run: _Run, begun_ns: int) -> None:
        """Write down what a run has cost, for the log and for traces."""
        facts = request_facts()
        if facts is None:
            return
        counts, queue_s = total_counts(run.scanned), run.place.queue_s
        facts.lines += counts.lines
        facts.read_bytes += counts.bytes
        facts.queue_s += queue_s
        turn_ns = begun_ns + int(queue_s * NS_PER_S)
        facts.phases += (Phase("queue", begun_ns, turn_ns), Phase("query", turn_ns, self._clock.now_ns()))

    def _visible(self, run: _Run, span: TimeSpan) -> TimeSpan | None:
        """The part of a span that all tenants' limits let a query see."""
        now_ns = self._clock.now_ns()
        for limits in run.limits:
            seen = visible_span(span, limits, now_ns)
            if seen is None:
                return None
            span = seen
        return span

    async def _entries(self, run: _Run, plan: LogScan, request: RangeRequest) -> StreamsAnswer:
        for limits in run.limits:
            check_plan(plan, limits)
            check_entries(request.limit, limits)
        span = self._visible(run, TimeSpan(request.start_ns, request.end_ns))
        if span is None:
            span = TimeSpan(request.start_ns, request.start_ns)
        tenants = run.tenants
        if len(tenants) > 1:
            plan, tenants = chosen_tenants(plan, tenants)
        message = log_scan_plan(
            plan, Logs(span.start_ns, span.end_ns, request.limit, request.backward, request.interval_ns)
        )
        results: list[tuple[LogResult, list[tuple[str, str]]]] = []
        left_bytes = self._memory_max_bytes // 2
        for tenant in tenants:
            readable = partial(self._readable, run, tenant, plan, span)
            scan_logs = partial(run.place.scanner.logs, message, memory_max_bytes=left_bytes)
            set_aside = partial(self._damage.set_damaged_aside, tenant)
            result = await on_live_sources(readable, scan_logs, set_aside)
            run.warnings += self._damage.left_out(tenant, span.start_ns, span.end_ns)
            left_bytes -= result.held_bytes
            run.scanned.append(result.stats)
            results.append((result, [(TENANT_LABEL, tenant.value)]))
        if len(run.tenants) == 1:
            merged = results[0][0]
        else:
            merged = LogResult.merge(results, limit=request.limit, backward=request.backward)
        statistics, warnings = self._statistics(run, entries=merged.entries), tuple(dict.fromkeys(run.warnings))
        return StreamsAnswer(merged, statistics, warnings, is_filtered=query_kind(plan) == "filter")

    async def _series(self, run: _Run, plan: MetricPlan, steps: Steps) -> Matrix:
        """The series of a plan, as answers list them. The limit on series is meant for the answer: what is aggregated
        away may be more, as long as all scans of the query fit half its memory, and the answer the other half."""
        if isinstance(plan, Number):
            return constant_matrix(plan.value, steps.count)
        scanned: dict[RangeScan, Matrix] = {}
        half_bytes = left_bytes = self._memory_max_bytes // 2
        for scan in dict.fromkeys(node for node in walk(plan) if isinstance(node, RangeScan)):
            series_max = max(1, min(SCAN_SERIES_MAX, left_bytes // (SAMPLE_BYTES * steps.count)))
            if scan is plan and run.series_max and not run.takes_a_part:
                series_max = min(series_max, run.series_max)
            scanned[scan] = await self._scan(run, scan, steps, series_max)
            left_bytes -= scanned[scan].nbytes

        def answer(cancel: Cancel) -> Matrix:
            matrix = compute(plan, scanned, steps.count, cancel=cancel, bytes_max=half_bytes)
            if run.takes_a_part and 0 < run.series_max < len(matrix.labels):
                run.warnings.append(PART_WARNING.format(run.series_max))
                matrix = matrix.select(range(run.series_max))
            check_series(len(matrix.labels), run.series_max)
            check_points(int(np.count_nonzero(matrix.present)), half_bytes)
            return matrix.sorted_by_labels(cancel.check)

        return await run.place.scanner.in_thread(answer)

    async def _scan(self, run: _Run, scan: RangeScan, steps: Steps, series_max: int) -> Matrix:
        if scan.source.range_ns == 0:
            return empty_matrix(steps.count)
        message = range_scan_plan(
            scan, start_ns=steps.start_ns, step_ns=steps.step_ns, steps=steps.count, series_max=series_max
        )
        first_ns = steps.start_ns - scan.source.offset_ns - scan.source.range_ns + 1
        span = TimeSpan(first_ns, steps.end_ns - scan.source.offset_ns + 1)
        parts: list[Matrix] = []
        for tenant in run.tenants:
            readable = partial(self._readable, run, tenant, scan, span)
            scan_metric = partial(
                self._results.scanned,
                run.place.scanner,
                message,
                _matrix,
                run.is_fresh,
                memory_max_bytes=self._memory_max_bytes // 2,
            )
            set_aside = partial(self._damage.set_damaged_aside, tenant)
            found = await on_live_sources(readable, scan_metric, set_aside)
            run.warnings += self._damage.left_out(tenant, span.start_ns, span.end_ns)
            run.scanned += [stats for part in found for stats in part.stats]
            if len(found) == len(run.tenants) == 1:
                parts.append(found[0].matrix)
                continue
            parts.append(
                await run.place.scanner.in_thread(partial(_joined, found, tenant if len(run.tenants) > 1 else None))
            )
        return parts[0] if len(parts) == 1 else stack(parts, steps.count)

    async def _readable(
        self, run: _Run, tenant: TenantId, scan: LogScan | RangeScan, span: TimeSpan
    ) -> Sequence[Source]:
        """The sources of a scan, if they are not too much to read; none where no row passes."""
        if scan.known.is_empty:
            return []
        sources = await self._store.sources(tenant, span.start_ns, span.end_ns)
        limits = run.limits[run.tenants.index(tenant)]
        if limits.bytes_read_max or limits.process_bytes_read_max:
            selector = scan.query.selector if isinstance(scan, LogScan) else scan.source.selector
            matchers = encode_matchers(stream_matchers(selector))
            # What is in memory is bounded by itself; counting its rows would cost as much as reading them.
            segments: list[HeadView | Segment] = [
                segment for source in sources if (segment := segment_of(source)) is not None
            ]
            if not segments:
                return sources
            covered = await run.place.scanner.in_thread(
                lambda cancel: index_stats(segments, matchers, span.start_ns, span.end_ns, cancel=cancel)
            )
            check_bytes(covered.bytes, limits)
        return sources

    def _statistics(self, run: _Run, *, entries: int = 0) -> Statistics:
        queue_s = run.place.queue_s
        execution_s = self._clock.monotonic_s() - run.started_s - queue_s
        return Statistics(total_counts(run.scanned), queue_s, execution_s, len(run.scanned), entries)


def _matrix(results: Sequence[MetricResult], cancel: Cancel) -> Matrix:
    """The series of results over consecutive steps."""
    parts = [Matrix(_labels(result, cancel), result.values, result.present).without_empty() for result in results]
    return beside(parts, cancel.check)


def _joined(parts: Sequence[ScannedPart], tenant: TenantId | None, cancel: Cancel) -> Matrix:
    """The series of consecutive parts, with the tenant where it is to be seen."""
    whole = beside([part.matrix for part in parts], cancel.check)
    return whole if tenant is None else labelled(whole, tenant)


def _labels(result: MetricResult, cancel: Cancel) -> tuple[LabelSet, ...]:
    labels: list[LabelSet] = []
    for first in range(0, result.series, LABELS_AT_ONCE):
        cancel.check()
        some = result.labels(first, min(first + LABELS_AT_ONCE, result.series))
        labels += [LabelSet(tuple(pairs)) for pairs in some]
    return tuple(labels)
