"""Around every request: its time in the metrics, the log and the traces, and a refusal while the server cannot serve.

Plain ASGI, because every push passes here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lodur.api.errors import text_response
from lodur.model.clock import Clock
from lodur.telemetry.log import writes_debug
from lodur.telemetry.request_facts import RequestFacts, noting
from lodur.telemetry.request_metrics import RequestMetrics
from lodur.telemetry.tracing import TRACE_HEADERS, RequestTracer, Served

ALWAYS_OPEN = frozenset(
    {"/", "/ready", "/metrics", "/config", "/services", "/loki/api/v1/status/buildinfo", "/ingester/shutdown"}
)
"""Paths that answer while the server starts or stops."""

OTHER = "other"
"""The route of requests that belong to none: their paths are as many as strangers invent."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

QUERY_ROUTES = frozenset({"loki_api_v1_query", "loki_api_v1_query_range", "api_prom_query"})

_SOCKET_METHOD = "GET"
"""A handshake has no other."""

_SWITCHED = 101
_SERVER_ERROR = 500
_UNAVAILABLE = 503

ID_HEADER = "X-Request-Id"
"""Given by the client, or else by the server: with it a line of the log is found again."""

_ID_HEADER = ID_HEADER.lower().encode()
_LENGTH_HEADER = b"content-length"

_log = structlog.get_logger(__name__)


class RouteNames:
    """The names of routes in metrics, as Loki makes them: `/loki/api/v1/push` is `loki_api_v1_push`."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._exact = {route.path: _name(route.path) for route in routes if "{" not in route.path}
        self._patterns = [(route.path_regex, _name(route.path)) for route in routes if "{" in route.path]

    def of(self, path: str) -> str:
        known = self._exact.get(path)
        if known is not None:
            return known
        return next((name for pattern, name in self._patterns if pattern.match(path)), OTHER)


@dataclass(frozen=True, slots=True)
class RequestLog:
    """The ASGI application around the application."""

    app: ASGIApp
    names: RouteNames
    metrics: RequestMetrics
    clock: Clock
    not_ready_reason: Callable[[], str | None]
    path_prefix: str = ""
    log_slower_than_s: float = 0.0
    """Queries that took longer are logged; 0 logs none, below 0 logs all."""
    tracer: RequestTracer | None = None
    """None where no traces are wanted, which then cost nothing."""
    _open_paths: frozenset[str] = field(default=ALWAYS_OPEN)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with noting(_header(scope, _ID_HEADER)) as facts:
            await self._serve(scope, receive, send, facts)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun_s = self.clock.monotonic_s()
        status = _SERVER_ERROR

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "websocket.accept":
                status = _SWITCHED
            elif message["type"] in ("websocket.http.response.start", "http.response.start"):
                status = message["status"]
            await send(message)

        route = self.names.of(scope["path"].removeprefix(self.path_prefix))
        try:
            with self.metrics.serving(method=_SOCKET_METHOD, route=route):
                reason = self.not_ready_reason()
                answer = self.app if reason is None else text_response(f"{reason}\n", status=_UNAVAILABLE)
                await answer(scope, receive, noting_send)
        finally:
            seconds = self.clock.monotonic_s() - begun_s
            self.metrics.observe(method=_SOCKET_METHOD, route=route, status=status, seconds=seconds, is_socket=True)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, facts: RequestFacts) -> None:
        begun_s, begun_ns = self.clock.monotonic_s(), self.clock.now_ns()
        status, sent_bytes = _SERVER_ERROR, 0

        async def noting_send(message: Message) -> None:
            nonlocal status, sent_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (_ID_HEADER, facts.id.encode())]}
            else:
                sent_bytes += len(message.get("body", b""))
            await send(message)

        path = scope["path"].removeprefix(self.path_prefix)
        method, route = scope["method"] if scope["method"] in METHODS else OTHER, self.names.of(path)
        try:
            with self.metrics.serving(method=method, route=route):
                reason = self.not_ready_reason() if path not in self._open_paths else None
                if reason is None:
                    await self.app(scope, receive, noting_send)
                else:
                    refusal = text_response(f"{reason}\n", status=_UNAVAILABLE)
                    refusal.headers["Retry-After"] = "1"
                    await refusal(scope, receive, noting_send)
        except Exception:
            self.metrics.panics.inc()
            _log.exception("request failed", id=facts.id, method=scope["method"], path=path)
            raise
        finally:
            served = Served(
                method=method,
                route=route,
                status=status,
                start_ns=begun_ns,
                seconds=self.clock.monotonic_s() - begun_s,
                sent_bytes=sent_bytes,
            )
            self._note(scope, path, served, facts)

    def _note(self, scope: Scope, path: str, served: Served, facts: RequestFacts) -> None:
        seconds = served.seconds
        self.metrics.observe(method=served.method, route=served.route, status=served.status, seconds=seconds)
        trace_id = self.tracer.record(served, facts, _trace_headers(scope)) if self.tracer is not None else ""
        is_slow = served.route in QUERY_ROUTES and self._is_slow(seconds)
        # Refusals for the moment come by the thousand while a server starts; their reason is logged where it arises.
        is_failure = served.status >= _SERVER_ERROR and served.status != _UNAVAILABLE
        if not is_failure and not is_slow and not writes_debug():
            return
        say = _log.warning if is_failure else _log.info if is_slow else _log.debug
        known = {
            "tenant": facts.tenant,
            "query": facts.query,
            "query_tags": facts.query_tags,
            "trace_id": trace_id,
        }
        optional: dict[str, str | int | float] = {name: value for name, value in known.items() if value}
        if facts.query:
            optional |= {"lines": facts.lines, "read_bytes": facts.read_bytes}
            optional["queue_seconds"] = round(facts.queue_s, 6)
        received = _header(scope, _LENGTH_HEADER)
        say(
            "slow query" if is_slow else "request",
            id=facts.id,
            **optional,
            method=served.method,
            path=path,
            params=scope["query_string"].decode("latin-1"),
            status=served.status,
            received_bytes=int(received) if received.isdigit() else 0,
            sent_bytes=served.sent_bytes,
            seconds=round(seconds, 6),
        )

    def _is_slow(self, seconds: float) -> bool:
        bound_s = self.log_slower_than_s
        return bound_s < 0 or (bound_s > 0 and seconds > bound_s)


def _name(path: str) -> str:
    return re.sub(r"\W+", "_", path.replace(":path}", "}")).strip("_") or "root"


def _header(scope: Scope, name: bytes) -> str:
    """The first header of a name (in lower case); empty where there is none."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _trace_headers(scope: Scope) -> dict[str, str]:
    """The headers that say to which trace a request belongs."""
    found = {name: _header(scope, name.encode()) for name in TRACE_HEADERS}
    return {name: value for name, value in found.items() if value}
