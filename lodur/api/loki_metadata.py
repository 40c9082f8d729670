"""Loki's endpoints about streams: labels, their values, and series."""

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
from lodur.api.params import Params, checked_span
from lodur.api.tenant import Tenancy
from lodur.logql.parser import parse_selector, parse_series_selectors
from lodur.logql.selector import Selector
from lodur.model.clock import Clock
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.catalog import Catalog
from lodur.query.tenants import TENANT_LABEL

PREFIXES = ("/loki/api/v1", "/api/prom")
"""Where clients look: the second is Loki's old one, which some still use."""


def routes(catalog: Catalog, tenancy: Tenancy, clock: Clock, *, body_max_bytes: int) -> list[Route]:
    """The routes of this module."""
    metadata = _Metadata(catalog, tenancy, clock)
    endpoint = partial(query_endpoint, body_max_bytes=body_max_bytes)
    return [
        Route("/loki/api/v1/labels", endpoint(metadata.labels), methods=METHODS),
        *(Route(f"{prefix}/label", endpoint(metadata.labels), methods=METHODS) for prefix in PREFIXES),
        *(Route(f"{prefix}/label/{{name}}/values", endpoint(metadata.values), methods=METHODS) for prefix in PREFIXES),
        *(Route(f"{prefix}/series", endpoint(metadata.series), methods=METHODS) for prefix in PREFIXES),
    ]


@dataclass(frozen=True, slots=True)
class _Metadata:
    catalog: Catalog
    tenancy: Tenancy
    clock: Clock

    async def labels(self, request: Request, params: Params) -> Response:
        tenants, span = self._asked(request, params)
        selectors = await _optional_selector(params)
        found = [await self.catalog.label_names(tenant, selectors, span) for tenant in tenants]
        own = [TENANT_LABEL] if len(tenants) > 1 and any(found) else []
        return await _list_response([*found, own])

    async def values(self, request: Request, params: Params) -> Response:
        tenants, span = self._asked(request, params)
        name = str(request.path_params["name"])
        if name == TENANT_LABEL and self.tenancy.multi_tenant_queries:
            return await _list_response([[tenant.value for tenant in tenants]])
        selectors = await _optional_selector(params)
        return await _list_response(
            [await self.catalog.label_values(tenant, name, selectors, span) for tenant in tenants]
        )

    async def series(self, request: Request, params: Params) -> Response:
        tenants, span = self._asked(request, params)
        written = params.texts("match[]", "match")
        selectors = await asyncio.to_thread(parse_series_selectors, written) if written else ()
        selectors = tuple(selector for selector in selectors if selector.matchers)
        is_of_many = len(tenants) > 1
        parts = [await self.catalog.streams_json(tenant, selectors, span, with_tenant=is_of_many) for tenant in tenants]
        return json_response(b'{"status":"success","data":[' + b",".join(filter(None, parts)) + b"]}")

    def _asked(self, request: Request, params: Params) -> tuple[tuple[TenantId, ...], TimeSpan]:
        return self.tenancy.all(request), checked_span(params, self.clock.now_ns())


async def _optional_selector(params: Params) -> Sequence[Selector]:
    """The selector of `query`; long ones take their time, which other requests need not wait for."""
    text = params.text("query")
    return (await asyncio.to_thread(parse_selector, text),) if text else ()


async def _list_response(parts: list[list[str]]) -> Response:
    """Sorted lists as one; an empty one is left out."""
    # A hundred thousand values take their time to write, which other requests need not wait for.
    return json_response(await asyncio.to_thread(_list_body, [part for part in parts if part]))


def _list_body(parts: list[list[str]]) -> bytes:
    body: dict[str, object] = {"status": "success"}
    if parts:
        body["data"] = parts[0] if len(parts) == 1 else sorted(set().union(*parts))
    return orjson.dumps(body)
