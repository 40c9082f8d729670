"""Loki's query endpoints: `query` and `query_range`, and `format_query`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lodur.api.endpoint import query_endpoint
from lodur.api.params import (
    Params,
    backward_param,
    check_resolution,
    checked_span,
    encoding_flags,
    forwarded,
    interval_param,
    limit_param,
    query_tags,
    step_param,
    time_param,
)
from lodur.api.statistics import statistics_body
from lodur.api.tenant import Tenancy
from lodur.logql.parser import parse_tree
from lodur.logql.pretty import format_query
from lodur.model.clock import Clock
from lodur.model.errors import InvalidRequest, QuerySyntaxError
from lodur.query.answers import InstantAnswer, MatrixAnswer, RangeAnswer, ScalarAnswer, StreamsAnswer
from lodur.query.engine import Engine
from lodur.query.requests import InstantRequest, RangeRequest
from lodur.query.stats import Statistics
from lodur.telemetry.query_metrics import QueryCost, QueryMetrics
from lodur.wire.loki_results import CELLS_AT_ONCE, matrix_json, scalar_json, vector_json

FLAGS_HEADER = "X-Loki-Response-Encoding-Flags"
TAGS_HEADER = "X-Query-Tags"
LIMITS_HEADER = "X-Loki-Query-Limits"
CATEGORIZE = "categorize-labels"
METHODS = ("GET", "POST")

PARQUET_TYPE = "application/vnd.apache.parquet"
_NO_PARQUET = "support for Parquet encoded responses is disabled. Enable with -frontend.support-parquet-encoding=true"

JSON_TYPE = "application/json; charset=UTF-8"


def routes(
    engine: Engine, tenancy: Tenancy, clock: Clock, metrics: QueryMetrics, *, body_max_bytes: int
) -> list[Route]:
    """The routes of this module."""
    queries = _Queries(engine, tenancy, clock, metrics)
    endpoint = partial(query_endpoint, body_max_bytes=body_max_bytes)
    return [
        Route("/loki/api/v1/query", endpoint(queries.instant), methods=METHODS),
        Route("/loki/api/v1/query_range", endpoint(queries.range), methods=METHODS),
        Route("/loki/api/v1/format_query", endpoint(queries.format), methods=METHODS),
    ]


def json_response(body: bytes, *, status: int = 200) -> Response:
    """An answer whose body is JSON already."""
    return Response(body, status_code=status, headers={"Content-Type": JSON_TYPE})


def _refuse_parquet(request: Request) -> None:
    if PARQUET_TYPE in request.headers.get("Accept", ""):
        raise InvalidRequest(_NO_PARQUET)


def range_request(request: Request, params: Params, now_ns: int) -> RangeRequest:
    """What a request over a span of time asks. Raises InvalidRequest."""
    written = checked_span(params, now_ns)
    step_ns = step_param(params, written)
    span = forwarded(written)
    check_resolution(span, step_ns)
    return RangeRequest(
        text=params.text("query"),
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        step_ns=step_ns,
        limit=limit_param(params),
        backward=backward_param(params),
        interval_ns=interval_param(params),
        tags=query_tags(request.headers.get(TAGS_HEADER, "")),
        own_limits=request.headers.get(LIMITS_HEADER, ""),
        is_fresh="no-cache" in request.headers.get("Cache-Control", ""),
    )


@dataclass(frozen=True, slots=True)
class _Queries:
    engine: Engine
    tenancy: Tenancy
    clock: Clock
    metrics: QueryMetrics

    async def instant(self, request: Request, params: Params) -> Response:
        tenants = self.tenancy.all(request)
        _refuse_parquet(request)
        limit_param(params)
        backward_param(params)
        asked = InstantRequest(
            text=params.text("query"),
            time_ns=time_param(params, "time", self.clock.now_ns()),
            tags=query_tags(request.headers.get(TAGS_HEADER, "")),
            own_limits=request.headers.get(LIMITS_HEADER, ""),
        )
        answer = await self.engine.instant(tenants, asked)
        self._count("metric", "instant", answer.statistics)
        return json_response(_instant_body(answer))

    async def range(self, request: Request, params: Params) -> Response:
        tenants = self.tenancy.all(request)
        _refuse_parquet(request)
        asked = range_request(request, params, self.clock.now_ns())
        answer = await self.engine.range(tenants, asked)
        self._count(_kind(answer), "range", answer.statistics)
        flags = encoding_flags(request.headers.getlist(FLAGS_HEADER))
        if isinstance(answer, MatrixAnswer) and answer.matrix.values.size > CELLS_AT_ONCE:
            # Written piece by piece as the client takes it: the whole would be several times the matrix.
            return StreamingResponse(_matrix_body(answer), headers={"Content-Type": JSON_TYPE})
        # Thousands of lines take milliseconds to write, which other requests need not wait for.
        return json_response(await asyncio.to_thread(_range_body, answer, flags))

    def _count(self, kind: str, span: str, statistics: Statistics) -> None:
        counts = statistics.counts
        self.metrics.observe(
            QueryCost(kind, span, statistics.queue_s, statistics.execution_s, counts.bytes, counts.blocks_read)
        )

    async def format(self, _: Request, params: Params) -> Response:
        try:
            text = await asyncio.to_thread(_formatted, params.text("query"))
        except QuerySyntaxError as error:
            return json_response(orjson.dumps({"status": "invalid-query", "error": str(error)}), status=400)
        return json_response(orjson.dumps({"status": "success", "data": text}))


def _kind(answer: RangeAnswer) -> str:
    """What Loki's metrics call a query of this answer."""
    if isinstance(answer, MatrixAnswer):
        return "metric"
    return "filter" if answer.is_filtered else "limited"


def _formatted(text: str) -> str:
    return format_query(parse_tree(text))


def _range_body(answer: RangeAnswer, flags: tuple[str, ...]) -> bytes:
    match answer:
        case StreamsAnswer():
            result = answer.result.streams_json(categorize=CATEGORIZE in flags)
            return _body("streams", result, answer.statistics, flags, answer.warnings)
        case MatrixAnswer():
            return b"".join(_matrix_body(answer))


def _matrix_body(answer: MatrixAnswer) -> Iterator[bytes]:
    """The body in pieces."""
    matrix = answer.matrix
    yield b'{"status":"success","data":{"resultType":"matrix","result":'
    yield from matrix_json(matrix.labels, answer.steps.times_ms(), matrix.values, matrix.present)
    yield b',"stats":' + orjson.dumps(statistics_body(answer.statistics)) + b"}"
    if answer.warnings:
        yield b',"warnings":' + orjson.dumps(answer.warnings)
    yield b"}"


def _instant_body(answer: InstantAnswer) -> bytes:
    if isinstance(answer, ScalarAnswer):
        return _body("scalar", scalar_json(answer.time_ns, answer.value), answer.statistics)
    values = answer.matrix.values[:, 0].tolist()
    result = vector_json(answer.matrix.labels, answer.time_ns, values)
    return _body("vector", result, answer.statistics, warnings=answer.warnings)


def _body(
    result_type: str,
    result: bytes,
    statistics: Statistics,
    flags: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
) -> bytes:
    data: dict[str, object] = {"resultType": result_type}
    if flags:
        data["encodingFlags"] = flags
    data |= {"result": orjson.Fragment(result), "stats": statistics_body(statistics)}
    body: dict[str, object] = {"status": "success", "data": data}
    if warnings:
        body["warnings"] = warnings
    return orjson.dumps(body)
