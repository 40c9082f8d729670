"""Loki's legacy query endpoint, `/api/prom/query`: entries of a log query, label sets as text.

Labels, label values and series are answered below `/api/prom` as below `/loki/api/v1`: see `loki_metadata`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.endpoint import query_endpoint
from lodur.api.loki_query import METHODS, json_response, range_request
from lodur.api.params import Params
from lodur.api.statistics import statistics_body
from lodur.api.tenant import Tenancy
from lodur.logql.parser import parse_query
from lodur.logql.tree import LogQuery
from lodur.model.clock import Clock
from lodur.model.errors import InvalidRequest
from lodur.model.go_strings import quote
from lodur.query.answers import StreamsAnswer
from lodur.query.engine import Engine


def routes(engine: Engine, tenancy: Tenancy, clock: Clock, *, body_max_bytes: int) -> list[Route]:
    """The routes of this module."""
    query = _Query(engine, tenancy, clock)
    endpoint = partial(query_endpoint, body_max_bytes=body_max_bytes)
    return [Route("/api/prom/query", endpoint(query.entries), methods=METHODS)]


@dataclass(frozen=True, slots=True)
class _Query:
    engine: Engine
    tenancy: Tenancy
    clock: Clock

    async def entries(self, request: Request, params: Params) -> Response:
        tenants = self.tenancy.all(request)
        asked = range_request(request, params, self.clock.now_ns())
        if regexp := params.text("regexp"):
            asked = replace(asked, text=f"{asked.text}\n|~ {quote(regexp)}")  # a comment may end the query's line
        # A metric query is refused before it is run.
        if not isinstance(await asyncio.to_thread(parse_query, asked.text), LogQuery):
            raise InvalidRequest("legacy endpoints only support streams result type")
        answer = await self.engine.range(tenants, asked)
        assert isinstance(answer, StreamsAnswer)
        return json_response(await asyncio.to_thread(_body, answer))


def _body(answer: StreamsAnswer) -> bytes:
    streams = orjson.Fragment(answer.result.legacy_json())
    return orjson.dumps({"streams": streams, "stats": statistics_body(answer.statistics)})
