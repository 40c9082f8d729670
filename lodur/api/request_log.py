"""Around every request: its time in the metrics and the log, and a refusal while the server cannot serve.

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
from lodur.telemetry.request_metrics import RequestMetrics

ALWAYS_OPEN = frozenset(
    {"/", "/ready", "/metrics", "/config", "/services", "/loki/api/v1/status/buildinfo", "/ingester/shutdown"}
)
"""Paths that answer while the server starts or stops."""

OTHER = "other"
"""The route of requests that belong to none: their paths are as many as strangers invent."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

QUERY_ROUTES = frozenset({"loki_api_v1_query", "loki_api_v1_query_range", "api_prom_query"})

_SERVER_ERROR = 500
_UNAVAILABLE = 503

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
    _open_paths: frozenset[str] = field(default=ALWAYS_OPEN)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            reason = self.not_ready_reason() if scope["type"] == "websocket" else None
            if reason is None:
                await self.app(scope, receive, send)
            else:
                await text_response(f"{reason}\n", status=_UNAVAILABLE)(scope, receive, send)
            return
        begun_s = self.clock.monotonic_s()
        status = _SERVER_ERROR

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        path = scope["path"].removeprefix(self.path_prefix)
        self.metrics.in_flight.inc()
        try:
            reason = self.not_ready_reason() if path not in self._open_paths else None
            if reason is None:
                await self.app(scope, receive, noting_send)
            else:
                refusal = text_response(f"{reason}\n", status=_UNAVAILABLE)
                refusal.headers["Retry-After"] = "1"
                await refusal(scope, receive, noting_send)
        except Exception:
            self.metrics.panics.inc()
            _log.exception("request failed", method=scope["method"], path=path)
            raise
        finally:
            self.metrics.in_flight.dec()
            self._note(scope, path, status, self.clock.monotonic_s() - begun_s)

    def _note(self, scope: Scope, path: str, status: int, seconds: float) -> None:
        route = self.names.of(path)
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self.metrics.observe(method=method, route=route, status=status, seconds=seconds)
        is_slow = route in QUERY_ROUTES and self._is_slow(seconds)
        # Refusals for the moment come by the thousand while a server starts; their reason is logged where it arises.
        is_failure = status >= _SERVER_ERROR and status != _UNAVAILABLE
        say = _log.warning if is_failure else _log.info if is_slow else _log.debug
        say(
            "slow query" if is_slow else "request",
            method=method,
            path=path,
            query=scope["query_string"].decode("latin-1"),
            status=status,
            seconds=round(seconds, 6),
        )

    def _is_slow(self, seconds: float) -> bool:
        bound_s = self.log_slower_than_s
        return bound_s < 0 or (bound_s > 0 and seconds > bound_s)


def _name(path: str) -> str:
    return re.sub(r"\W+", "_", path).strip("_") or "root"
