"""What there is, answered from directories alone: streams, and how much a selector covers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lodur.kernels.fields import detect_labels
from lodur.kernels.head import HeadView
from lodur.kernels.scan import list_streams
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
from lodur.query.volumes import Volume, VolumeBy, VolumeRequest, bucket_edges


class Catalog:
    """Answers questions about streams. Raises LimitExceeded for spans that are too long."""

    def __init__(self, store: ReadableStore, clock: Clock, limits_of: LimitsOf) -> None:
        self._store = store
        self._clock = clock
        self._limits_of = limits_of

    async def streams(self, tenant: TenantId, selectors: Sequence[Selector], span: TimeSpan) -> list[LabelSet]:
        """The label sets that any of the selectors matches (all, without selectors), sorted, each once."""
        messages = [encode_matchers(stream_matchers(selector)) for selector in selectors]
        seen, sources = await self._directories(tenant, span)
        return await asyncio.to_thread(_label_sets, sources, messages, seen)

    async def coverage(self, tenant: TenantId, selector: Selector, span: TimeSpan) -> IndexStats:
        """How much a selector covers."""
        message = encode_matchers(stream_matchers(selector))
        seen, sources = await self._directories(tenant, span)
        return await asyncio.to_thread(index_stats, sources, message, seen.start_ns, seen.end_ns)

    async def volumes(self, tenants: Sequence[TenantId], asked: VolumeRequest) -> tuple[list[int], list[Volume]]:
        """The edges of the buckets, and the volumes of all tenants together: the largest first, then by labels.

        Raises NotFound where a tenant's limits do not allow the question.
        """
        limits = [self._limits_of(tenant) for tenant in tenants]
        if not all(each.volume_enabled for each in limits):
            raise NotFound("not found")
        message = encode_matchers(stream_matchers(asked.full_selector()))
        names = asked.label_names()
        sources: list[HeadView | Segment] = []
        span = asked.span
        for tenant in tenants:
            span, found = await self._directories(tenant, span)
            sources += found
        edges_ns = bucket_edges(span, asked.step_ns)
        found_volumes = await asyncio.to_thread(
            volumes,
            sources,
            message,
            edges_ns=edges_ns,
            names=None if names is None else list(names),
            by_name=asked.by is VolumeBy.LABELS,
            limit=min([asked.limit, *(each.volume_series_max for each in limits)]),
        )
        return edges_ns, [Volume(LabelSet(tuple(labels)), tuple(sizes)) for labels, sizes in found_volumes]

    async def detected_labels(
        self, tenants: Sequence[TenantId], selector: Selector | None, span: TimeSpan
    ) -> list[tuple[str, int]]:
        """Labels that tell streams apart (of all tenants together), by name, and how many values each has."""
        messages = [] if selector is None else [encode_matchers(stream_matchers(selector))]
        sources: list[HeadView | Segment] = []
        for tenant in tenants:
            span, found = await self._directories(tenant, span)
            sources += found
        return await asyncio.to_thread(detect_labels, sources, messages, span.start_ns, span.end_ns)

    async def _directories(self, tenant: TenantId, span: TimeSpan) -> tuple[TimeSpan, list[HeadView | Segment]]:
        """The visible part of a span, and what lies in it."""
        seen = visible_span(span, self._limits_of(tenant), self._clock.now_ns())
        if seen is None:
            return span, []
        sources = await self._store.sources(tenant, seen.start_ns, seen.end_ns)
        return seen, [directory_of(source) for source in sources]


def _label_sets(sources: list[HeadView | Segment], messages: list[bytes], span: TimeSpan) -> list[LabelSet]:
    found = list_streams(sources, messages, span.start_ns, span.end_ns)
    return [LabelSet(tuple(pairs)) for pairs in found]
