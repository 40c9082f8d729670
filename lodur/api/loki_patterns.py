"""Loki's endpoint of patterns: what lines have in common, found when it is asked for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.endpoint import query_endpoint
from lodur.api.loki_query import METHODS, json_response
from lodur.api.params import Params, checked_span, step_param
from lodur.api.tenant import Tenancy
from lodur.logql.parser import parse_selector
from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_S
from lodur.model.errors import NotFound
from lodur.query.answers import Pattern
from lodur.query.engine import Engine

STEP_MIN_NS = 10 * NS_PER_S
"""Patterns are counted in steps of ten seconds at least, as by Loki; clients know no finer ones."""


def routes(engine: Engine, tenancy: Tenancy, clock: Clock, *, enabled: bool, body_max_bytes: int) -> list[Route]:
    """The routes of this module."""
    patterns = _Patterns(engine, tenancy, clock, enabled)
    endpoint = partial(query_endpoint, body_max_bytes=body_max_bytes)
    return [Route("/loki/api/v1/patterns", endpoint(patterns.patterns), methods=METHODS)]


@dataclass(frozen=True, slots=True)
class _Patterns:
    engine: Engine
    tenancy: Tenancy
    clock: Clock
    enabled: bool

    async def patterns(self, request: Request, params: Params) -> Response:
        tenants = self.tenancy.all(request)
        if not self.enabled or len(tenants) > 1:
            # An empty body is what clients take for "patterns are not available here".
            raise NotFound("")
        span = checked_span(params, self.clock.now_ns())
        # Times are told in whole seconds, so that steps must be of whole seconds.
        step_ns = -(-max(step_param(params, span), STEP_MIN_NS) // NS_PER_S) * NS_PER_S
        selector = await asyncio.to_thread(parse_selector, params.text("query"))
        found = await self.engine.patterns(tenants[0], selector, span, step_ns)
        return json_response(await asyncio.to_thread(_body, found, step_ns // NS_PER_S))


def _body(found: list[Pattern], step_s: int) -> bytes:
    data = [
        {
            "pattern": pattern.text,
            "level": pattern.level,
            "samples": [[step * step_s, lines] for step, lines in pattern.samples],
        }
        for pattern in found
    ]
    return orjson.dumps({"status": "success", "data": data})
