"""The limits of the caller's tenant: for Grafana's Logs Drilldown, which shapes its panels by them, and for people.

Both need the tenant's header even where authentication is off, as in Loki.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.errors import error_response, text_response
from lodur.api.loki_query import json_response
from lodur.api.tenant import TENANT_HEADER
from lodur.model.byte_size import format_byte_size
from lodur.model.durations import format_prometheus_duration
from lodur.model.errors import LodurError
from lodur.model.limits import Limits
from lodur.model.otlp import OtlpRule
from lodur.model.tenant import TenantId, parse_tenant


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """What the pages show; each is asked at every request."""

    limits_of: Callable[[TenantId], Limits]
    text_of: Callable[[TenantId], str]
    """The limits as YAML."""
    retention_ns_of: Callable[[TenantId], int]
    """How long entries are kept; 0 means for ever."""
    patterns_enabled: bool


def routes(facts: TenantFacts) -> list[Route]:
    """The routes of this module."""
    pages = _Pages(facts)
    return [
        Route("/loki/api/v1/drilldown-limits", pages.drilldown, methods=["GET"]),
        Route("/config/tenant/v1/limits", pages.text, methods=["GET"]),
    ]


@dataclass(frozen=True, slots=True)
class _Pages:
    facts: TenantFacts

    async def drilldown(self, request: Request) -> Response:
        try:
            tenant = parse_tenant(request.headers.get(TENANT_HEADER))
        except LodurError as error:
            return error_response(error)
        body = {
            "limits": _drilldown_limits(self.facts.limits_of(tenant), self.facts.retention_ns_of(tenant)),
            "pattern_ingester_enabled": self.facts.patterns_enabled,
            "version": "unknown",
        }
        return json_response(orjson.dumps(body))

    async def text(self, request: Request) -> Response:
        try:
            return text_response(self.facts.text_of(parse_tenant(request.headers.get(TENANT_HEADER))), status=200)
        except LodurError as error:
            return error_response(error)


def _drilldown_limits(limits: Limits, retention_ns: int) -> dict[str, object]:
    """The limits in the form in which Loki's configuration has them."""
    ingest, query = limits.ingest, limits.query
    return {
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
        "otlp_config": {"resource_attributes": {"attributes_config": [_rule(rule) for rule in ingest.otlp.resource]}},
        "pattern_persistence_enabled": False,
        "query_timeout": format_prometheus_duration(query.timeout_ns),
        "retention_period": format_prometheus_duration(retention_ns),
        "volume_enabled": query.volume_enabled,
        "volume_max_series": query.volume_series_max,
    }


def _rule(rule: OtlpRule) -> dict[str, object]:
    """A rule as the configuration has it: without what it does not say."""
    attributes: dict[str, object] = {"attributes": rule.attributes} if rule.attributes else {}
    return {"action": rule.action.value, **attributes, **({"regex": rule.regex} if rule.regex else {})}
