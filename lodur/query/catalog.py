"""What there is, answered from directories alone: streams, and how much a selector covers.

Who asks takes a turn, as for a query. Start at `Catalog.streams_json`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from lodur.kernels.fields import detect_labels
from lodur.kernels.head import HeadView
from lodur.kernels.scan import Cancel, label_names, label_values, streams_json
from lodur.kernels.scan_plan import encode_matchers
from lodur.kernels.segment import Segment
from lodur.kernels.volume import IndexStats, index_stats, volumes
from lodur.logql.selector import Selector
from lodur.model.clock import Clock
from lodur.model.errors import NotFound
from lodur.model.label_set import LabelSet
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.engine import LimitsOf
from lodur.query.limit_checks import visible_span
from lodur.query.plan.lowering import stream_matchers
from lodur.query.sources import ReadableStore, directory_of
from lodur.query.tenants import TENANT_LABEL
from lodur.query.volumes import Volume, VolumeBy, VolumeRequest, bucket_edges
from lodur.query.workplace import Workplace

T = TypeVar("T")

Question: TypeAlias = Callable[[list[HeadView | Segment], list[bytes], TimeSpan, Cancel], T]
"""What is asked of the streams in some directories that selectors accept."""


class Catalog:
    """Answers questions about streams. Raises LimitExceeded for spans that are too long, and as `Workplace.turn`."""

    def __init__(self, store: ReadableStore, clock: Clock, limits_of: LimitsOf, workplace: Workplace) -> None:
        self._store = store
        self._clock = clock
        self._limits_of = limits_of
        self._workplace = workplace

    async def streams_json(
        self, tenant: TenantId, selectors: Sequence[Selector], span: TimeSpan, *, with_tenant: bool = False
    ) -> bytes:
        """The label sets that any of the selectors matches (all, without any) as JSON objects, joined by commas.

        With the tenant's label, where they have none of its name.
        """
        label = (TENANT_LABEL, tenant.value) if with_tenant else None

        def streams(sources: list[HeadView | Segment], messages: list[bytes], seen: TimeSpan, cancel: Cancel) -> bytes:
            return streams_json(sources, messages, seen.start_ns, seen.end_ns, extra_label=label, cancel=cancel)

        return await self._of_streams(tenant, selectors, span, streams)

    async def label_names(self, tenant: TenantId, selectors: Sequence[Selector], span: TimeSpan) -> list[str]:
        """The names in these label sets, sorted."""

        def names(
            sources: list[HeadView | Segment], messages: list[bytes], seen: TimeSpan, cancel: Cancel
        ) -> list[str]:
            return label_names(sources, messages, seen.start_ns, seen.end_ns, cancel=cancel)

        return await self._of_streams(tenant, selectors, span, names)

    async def label_values(
        self, tenant: TenantId, name: str, selectors: Sequence[Selector], span: TimeSpan
    ) -> list[str]:
        """The values of a label in these label sets, sorted."""

        def values(
            sources: list[HeadView | Segment], messages: list[bytes], seen: TimeSpan, cancel: Cancel
        ) -> list[str]:
            return label_values(sources, messages, seen.start_ns, seen.end_ns, name=name, cancel=cancel)

        return await self._of_streams(tenant, selectors, span, values)

    async def coverage(self, tenant: TenantId, selector: Selector, span: TimeSpan) -> IndexStats:
        """How much a selector covers."""
        message = encode_matchers(stream_matchers(selector))
        async with self._workplace.turn((tenant,), (self._limits_of(tenant),)) as place:
            seen, sources = await self._directories(tenant, span)
            return await place.scanner.in_thread(
                lambda cancel: index_stats(sources, message, seen.start_ns, seen.end_ns, cancel=cancel)
            )

    async def volumes(self, tenants: Sequence[TenantId], asked: VolumeRequest) -> tuple[list[int], list[Volume]]:
        """The edges of the buckets, and the volumes of all tenants together: the largest first, then by labels.

        Raises NotFound where a tenant's limits do not allow the question.
        """
        limits = [self._limits_of(tenant) for tenant in tenants]
        if not all(each.volume_enabled for each in limits):
            raise NotFound("not found")
        message = encode_matchers(stream_matchers(asked.full_selector()))
        names = asked.label_names()
        async with self._workplace.turn(tenants, limits) as place:
            span, sources = await self._all_directories(tenants, asked.span)
            edges_ns = bucket_edges(span, asked.step_ns)
            found = await place.scanner.in_thread(
                lambda cancel: volumes(
                    sources,
                    message,
                    edges_ns=edges_ns,
                    names=None if names is None else list(names),
                    by_name=asked.by is VolumeBy.LABELS,
                    limit=min([asked.limit, *(each.volume_series_max for each in limits)]),
                    cancel=cancel,
                )
            )
        return edges_ns, [Volume(LabelSet(tuple(labels)), tuple(sizes)) for labels, sizes in found]

    async def detected_labels(
        self, tenants: Sequence[TenantId], selector: Selector | None, span: TimeSpan
    ) -> list[tuple[str, int]]:
        """Labels that tell streams apart (of all tenants together), by name, and how many values each has."""
        messages = [] if selector is None else [encode_matchers(stream_matchers(selector))]
        async with self._workplace.turn(tenants, [self._limits_of(tenant) for tenant in tenants]) as place:
            seen, sources = await self._all_directories(tenants, span)
            return await place.scanner.in_thread(
                lambda cancel: detect_labels(sources, messages, seen.start_ns, seen.end_ns, cancel=cancel)
            )

    async def _of_streams(
        self,
        tenant: TenantId,
        selectors: Sequence[Selector],
        span: TimeSpan,
        question: Question[T],
    ) -> T:
        messages = [encode_matchers(stream_matchers(selector)) for selector in selectors]
        async with self._workplace.turn((tenant,), (self._limits_of(tenant),)) as place:
            seen, sources = await self._directories(tenant, span)
            return await place.scanner.in_thread(lambda cancel: question(sources, messages, seen, cancel))

    async def _all_directories(
        self, tenants: Sequence[TenantId], span: TimeSpan
    ) -> tuple[TimeSpan, list[HeadView | Segment]]:
        """The part of a span that every tenant's limits show, and what lies in it of all of them."""
        sources: list[HeadView | Segment] = []
        for tenant in tenants:
            span, found = await self._directories(tenant, span)
            sources += found
        return span, sources

    async def _directories(self, tenant: TenantId, span: TimeSpan) -> tuple[TimeSpan, list[HeadView | Segment]]:
        """The visible part of a span, and what lies in it."""
        seen = visible_span(span, self._limits_of(tenant), self._clock.now_ns())
        if seen is None:
            return span, []
        sources = await self._store.sources(tenant, seen.start_ns, seen.end_ns)
        return seen, [directory_of(source) for source in sources]
