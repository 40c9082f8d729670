"""A tenant's limits as clients ask for them: Grafana's Logs Drilldown, and operators.

Both want the tenant named, also where every request is of one tenant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.errors import error_response, text_response
from lodur.api.loki_query import json_response
from lodur.api.tenant import TENANT_HEADER, Tenancy
from lodur.model.byte_size import format_byte_size
from lodur.model.durations import format_prometheus_duration
from lodur.model.errors import LodurError
from lodur.model.limits import Limits
from lodur.model.tenant import TenantId, parse_tenant


def routes(
    limits_of: Callable[[TenantId], Limits],
    limits_text: Callable[[TenantId], str],
    tenancy: Tenancy,
    *,
    patterns_enabled: bool,
) -> list[Route]:
    """The routes of this module; `limits_text` gives all limits as YAML."""
    pages = _Pages(limits_of, limits_text, tenancy, patterns_enabled)
    return [
        Route("/loki/api/v1/drilldown-limits", pages.drilldown, methods=["GET"]),
        Route("/config/tenant/v1/limits", pages.all, methods=["GET"]),
    ]


@dataclass(frozen=True, slots=True)
class _Pages:
    limits_of: Callable[[TenantId], Limits]
    limits_text: Callable[[TenantId], str]
    tenancy: Tenancy
    patterns_enabled: bool

    async def drilldown(self, request: Request) -> Response:
        try:
            limits = self.limits_of(self._tenant(request))
        except LodurError as error:
            return error_response(error)
        return json_response(orjson.dumps(_drilldown(limits, patterns_enabled=self.patterns_enabled)))

    async def all(self, request: Request) -> Response:
        try:
            tenant = self._tenant(request)
        except LodurError as error:
            return error_response(error)
        return text_response(await asyncio.to_thread(self.limits_text, tenant), status=200)

    def _tenant(self, request: Request) -> TenantId:
        """Raises Unauthenticated where none is named, even if it does not matter which."""
        named = parse_tenant(request.headers.get(TENANT_HEADER))
        return named if self.tenancy.auth_enabled else self.tenancy.one(request)


def _drilldown(limits: Limits, *, patterns_enabled: bool) -> dict[str, object]:
    ingest, query = limits.ingest, limits.query
    shown: dict[str, object] = {
        "discover_log_levels": ingest.discover_levels,
        "discover_service_name": ingest.service_name_sources,
        "log_level_fields": ingest.level_fields,
        "max_entries_limit_per_query": query.entries_max,
        "max_line_size_truncate": ingest.line_truncate,
        "max_query_bytes_read": format_byte_size(query.bytes_read_max),
        "max_query_length": format_prometheus_duration(query.length_max_ns),
        "max_query_lookback": format_prometheus_duration(query.lookback_max_ns),
        "max_query_range": format_prometheus_duration(query.window_max_ns),
        "max_query_series": query.series_max,
        "metric_aggregation_enabled": False,
        "pattern_persistence_enabled": False,
        "query_timeout": format_prometheus_duration(query.timeout_ns),
        "retention_period": "0s",
        "volume_enabled": query.volume_enabled,
        "volume_max_series": query.volume_series_max,
    }
    return {"limits": shown, "pattern_ingester_enabled": patterns_enabled, "version": "unknown"}
