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
from lodur.model.label_set import LabelSet
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.catalog import Catalog
from lodur.query.tenants import TENANT_LABEL, labelled_set

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
        found: set[str] = set()
        for tenant in tenants:
            found |= await self.catalog.label_names(tenant, selectors, span)
        if found and len(tenants) > 1:
            found.add(TENANT_LABEL)
        return _list_response(sorted(found))

    async def values(self, request: Request, params: Params) -> Response:
        tenants, span = self._asked(request, params)
        name = str(request.path_params["name"])
        if name == TENANT_LABEL and self.tenancy.multi_tenant_queries:
            return _list_response([tenant.value for tenant in tenants])
        selectors = await _optional_selector(params)
        found: set[str] = set()
        for tenant in tenants:
            found |= await self.catalog.label_values(tenant, name, selectors, span)
        return _list_response(sorted(found))

    async def series(self, request: Request, params: Params) -> Response:
        tenants, span = self._asked(request, params)
        written = params.texts("match[]", "match")
        selectors = await asyncio.to_thread(parse_series_selectors, written) if written else ()
        selectors = tuple(selector for selector in selectors if selector.matchers)
        found = [(tenant, await self.catalog.streams(tenant, selectors, span)) for tenant in tenants]
        # A hundred thousand streams take their time to write, which other requests need not wait for.
        return json_response(await asyncio.to_thread(_series_body, found))

    def _asked(self, request: Request, params: Params) -> tuple[tuple[TenantId, ...], TimeSpan]:
        return self.tenancy.all(request), checked_span(params, self.clock.now_ns())


async def _optional_selector(params: Params) -> Sequence[Selector]:
    """The selector of `query`; long ones take their time, which other requests need not wait for."""
    text = params.text("query")
    return (await asyncio.to_thread(parse_selector, text),) if text else ()


def _series_body(found: list[tuple[TenantId, list[LabelSet]]]) -> bytes:
    is_of_many = len(found) > 1
    data = [
        dict(_with_tenant(labels, tenant) if is_of_many else labels) for tenant, streams in found for labels in streams
    ]
    return orjson.dumps({"status": "success", "data": data})


def _with_tenant(labels: LabelSet, tenant: TenantId) -> LabelSet:
    """The labels with the tenant's, unless they have such a label already (results of queries rename it)."""
    return labels if TENANT_LABEL in labels else labelled_set(labels, tenant)


def _list_response(found: list[str]) -> Response:
    """A list; an empty one is left out."""
    body: dict[str, object] = {"status": "success"}
    if found:
        body["data"] = found
    return json_response(orjson.dumps(body))
