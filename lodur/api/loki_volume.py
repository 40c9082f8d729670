"""Loki's endpoints about sizes: index statistics, and volumes by labels and time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.endpoint import query_endpoint
from lodur.api.loki_query import METHODS, json_response
from lodur.api.params import Params, checked_span, limit_param, step_param
from lodur.api.statistics import statistics_body
from lodur.api.tenant import Tenancy
from lodur.logql.parser import parse_selector
from lodur.model.clock import Clock
from lodur.model.errors import InvalidRequest
from lodur.model.tenant import TenantId
from lodur.query.catalog import Catalog
from lodur.query.stats import ScanCounts, Statistics
from lodur.query.tenants import selected_tenants
from lodur.query.volumes import Volume, VolumeBy, VolumeRequest, bucket_times
from lodur.wire.loki_results import sample_seconds

_AGGREGATIONS = {"": VolumeBy.SERIES} | {by.value: by for by in VolumeBy}


def routes(catalog: Catalog, tenancy: Tenancy, clock: Clock, *, body_max_bytes: int) -> list[Route]:
    """The routes of this module."""
    sizes = _Sizes(catalog, tenancy, clock)
    endpoint = partial(query_endpoint, body_max_bytes=body_max_bytes)
    return [
        Route("/loki/api/v1/index/stats", endpoint(sizes.stats), methods=METHODS),
        Route("/loki/api/v1/index/volume", endpoint(sizes.volume), methods=METHODS),
        Route("/loki/api/v1/index/volume_range", endpoint(sizes.volume_range), methods=METHODS),
    ]


@dataclass(frozen=True, slots=True)
class _Sizes:
    catalog: Catalog
    tenancy: Tenancy
    clock: Clock

    async def stats(self, request: Request, params: Params) -> Response:
        tenants, span = self.tenancy.all(request), checked_span(params, self.clock.now_ns())
        selector = await asyncio.to_thread(parse_selector, params.text("query"))
        if len(tenants) > 1:
            selector, tenants = selected_tenants(selector, tenants)
        parts = [await self.catalog.coverage(tenant, selector, span) for tenant in tenants]
        body = {
            "streams": sum(part.streams for part in parts),
            "chunks": sum(part.blocks for part in parts),
            "bytes": sum(part.kib_bytes for part in parts),
            "entries": sum(part.entries for part in parts),
        }
        return json_response(orjson.dumps(body))

    async def volume(self, request: Request, params: Params) -> Response:
        tenants, asked = await self._asked(request, params, in_steps=False)
        return await self._answer(tenants, asked)

    async def volume_range(self, request: Request, params: Params) -> Response:
        tenants, asked = await self._asked(request, params, in_steps=True)
        return await self._answer(tenants, asked)

    async def _asked(
        self, request: Request, params: Params, *, in_steps: bool
    ) -> tuple[tuple[TenantId, ...], VolumeRequest]:
        tenants, span = self.tenancy.all(request), checked_span(params, self.clock.now_ns())
        limit = limit_param(params)
        step_ns = step_param(params, span) if in_steps else None
        by = _AGGREGATIONS.get(params.text("aggregateBy"))
        if by is None:
            raise InvalidRequest("invalid aggregation option")
        targets = tuple(dict.fromkeys(name for name in params.text("targetLabels").split(",") if name))
        selector = await asyncio.to_thread(parse_selector, params.text("query"), allow_empty_compatible=True)
        if len(tenants) > 1:
            selector, tenants = selected_tenants(selector, tenants)
        return tenants, VolumeRequest(selector, span, limit, step_ns, targets, by)

    async def _answer(self, tenants: Sequence[TenantId], asked: VolumeRequest) -> Response:
        started_s = self.clock.monotonic_s()
        edges_ns, volumes = await self.catalog.volumes(tenants, asked)
        statistics = Statistics(ScanCounts(), 0.0, self.clock.monotonic_s() - started_s, 0)
        return json_response(await asyncio.to_thread(_body, bucket_times(edges_ns), volumes, statistics))


def _body(times_ns: list[int], volumes: list[Volume], statistics: Statistics) -> bytes:
    """A matrix, but a vector where no series has two points: clients know it so."""
    stats = statistics_body(statistics)
    if all(volume.buckets <= 1 for volume in volumes):
        found: list[dict[str, object]] = [
            {"metric": dict(volume.labels), "value": points[-1]}
            for volume in volumes
            if (points := _points(times_ns, volume))
        ]
        return _envelope("vector", found, stats)
    found = [{"metric": dict(volume.labels), "values": _points(times_ns, volume)} for volume in volumes]
    return _envelope("matrix", found, stats)


def _envelope(result_type: str, result: list[dict[str, object]], stats: dict[str, object]) -> bytes:
    data = {"resultType": result_type, "result": result, "stats": stats}
    return orjson.dumps({"status": "success", "data": data})


def _points(times_ns: list[int], volume: Volume) -> list[list[object]]:
    """Seconds and bytes of the buckets that have any."""
    return [[sample_seconds(ts_ns), str(size)] for ts_ns, size in zip(times_ns, volume.bytes, strict=True) if size]
