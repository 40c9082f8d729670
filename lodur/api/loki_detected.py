"""Loki's endpoints about what there is to filter by: detected labels and fields."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.endpoint import query_endpoint
from lodur.api.loki_query import LIMITS_HEADER, METHODS, TAGS_HEADER, json_response
from lodur.api.params import Params, checked_span, limit_param, query_tags, step_param
from lodur.api.tenant import Tenancy
from lodur.logql.parser import parse_selector
from lodur.model.clock import Clock
from lodur.query.answers import Field
from lodur.query.catalog import Catalog
from lodur.query.engine import Engine
from lodur.query.requests import FieldsRequest, RangeRequest
from lodur.query.tenants import selected_tenants

DEFAULT_FIELDS = 1000
DEFAULT_LINES = 100


def routes(engine: Engine, catalog: Catalog, tenancy: Tenancy, clock: Clock, *, body_max_bytes: int) -> list[Route]:
    """The routes of this module."""
    detected = _Detected(engine, catalog, tenancy, clock)
    endpoint = partial(query_endpoint, body_max_bytes=body_max_bytes)
    return [
        Route("/loki/api/v1/detected_labels", endpoint(detected.labels), methods=METHODS),
        Route("/loki/api/v1/detected_fields", endpoint(detected.fields), methods=METHODS),
        Route("/loki/api/v1/detected_field/{name}/values", endpoint(detected.values), methods=METHODS),
    ]


@dataclass(frozen=True, slots=True)
class _Detected:
    engine: Engine
    catalog: Catalog
    tenancy: Tenancy
    clock: Clock

    async def labels(self, request: Request, params: Params) -> Response:
        tenants, span = self.tenancy.all(request), checked_span(params, self.clock.now_ns())
        selector = None
        if text := params.text("query"):
            selector = await asyncio.to_thread(parse_selector, text, allow_empty_compatible=True)
            if len(tenants) > 1:
                selector, tenants = selected_tenants(selector, tenants)
        found = await self.catalog.detected_labels(tenants, selector, span)
        body = {"detectedLabels": [{"label": name, "cardinality": count} for name, count in found]}
        return json_response(orjson.dumps(body if found else {}))

    async def fields(self, request: Request, params: Params) -> Response:
        asked = self._asked(request, params)
        found = await self.engine.fields(self.tenancy.all(request), asked)
        body = {"fields": [_field(field) for field in found], "limit": asked.limit}
        return json_response(orjson.dumps(body if found else {}))

    async def values(self, request: Request, params: Params) -> Response:
        asked = self._asked(request, params)
        found = await self.engine.field_values(self.tenancy.all(request), str(request.path_params["name"]), asked)
        return json_response(orjson.dumps({"values": found, "limit": asked.limit} if found else {}))

    def _asked(self, request: Request, params: Params) -> FieldsRequest:
        span = checked_span(params, self.clock.now_ns())
        limit = limit_param(params, "limit", "field_limit", default=DEFAULT_FIELDS)
        entries = RangeRequest(
            text=params.text("query"),
            start_ns=span.start_ns,
            end_ns=span.end_ns,
            step_ns=step_param(params, span),
            limit=limit_param(params, "line_limit", default=DEFAULT_LINES),
            tags=query_tags(request.headers.get(TAGS_HEADER, "")),
            own_limits=request.headers.get(LIMITS_HEADER, ""),
        )
        return FieldsRequest(entries, limit)


def _field(field: Field) -> dict[str, object]:
    told: dict[str, object] = {
        "label": field.name,
        "type": field.kind,
        "cardinality": field.cardinality,
        "parsers": field.parsers or None,
    }
    if field.json_path is not None:
        told["jsonPath"] = field.json_path
    return told
