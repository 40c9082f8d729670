"""All routes as one ASGI application. Start at `build_application`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp

from lodur.api.access.authentication import Authentication, challenges, open_paths
from lodur.api.access.authorization import Rules, guarded
from lodur.api.access.login import Login
from lodur.api.access.options import AccessOptions
from lodur.api.door import Door
from lodur.api.errors import text_response
from lodur.api.exact_routes import ExactRoutes, exact_routes
from lodur.api.late_body import LateBody
from lodur.api.loki_push import LEGACY_PUSH_PATH, PUSH_PATH
from lodur.api.otlp_push import LOGS_PATH
from lodur.api.request_log import ALWAYS_OPEN, RequestLog, RouteNames
from lodur.api.unread_body import UnreadBody
from lodur.model.clock import Clock
from lodur.model.limits import KIB
from lodur.telemetry.access_metrics import AccessMetrics
from lodur.telemetry.request_metrics import RequestMetrics
from lodur.telemetry.tracing import RequestTracer

COMPRESSED_MIN_BYTES = 1024
"""Smaller answers fit one packet as they are."""

COMPRESSION_LEVEL = 4
"""As small as the default within a tenth, in half the time."""

COMPRESSED_ASIDE_BYTES = 16 * KIB
"""Larger pieces are compressed on a thread, for they take more than half a millisecond."""

PUSH_PATHS = frozenset({PUSH_PATH, LEGACY_PUSH_PATH, LOGS_PATH})
"""Come by the thousand, and answer nothing that is worth compressing."""

_NOT_FOUND = 404
_WRONG_METHOD = 405


@dataclass(frozen=True, slots=True)
class Gates:
    """What stands in front of the routes where not everybody may do everything."""

    options: AccessOptions
    login: Login
    checks_tenants: bool
    metrics: AccessMetrics


def build_application(
    routes: Sequence[BaseRoute],
    *,
    path_prefix: str,
    compress_responses: bool,
    log_slower_than_s: float,
    metrics: RequestMetrics,
    clock: Clock,
    not_ready_reason: Callable[[], str | None],
    gates: Gates | None = None,
    tracer: RequestTracer | None = None,
    body_timeout_s: float = 0.0,
    busy_s: Callable[[], float] | None = None,
) -> ASGIApp:
    """The application that serves these routes below a prefix; a body may take so long (0: for ever).

    With `busy_s`, the time that the thread of the event loop has worked, tenants share that thread.
    """
    served = _behind(gates, routes)
    for route in served:
        # Starlette answers HEAD wherever GET is answered, Loki nowhere.
        if isinstance(route, Route):
            (route.methods or set()).discard("HEAD")
    # Clients do not follow redirects of pushes: a path with a slash too many is no path.
    router = Router(served, redirect_slashes=False)
    starlette = Starlette(routes=[Mount(path_prefix, app=router)], exception_handlers={HTTPException: _plain})
    starlette.router.redirect_slashes = False
    exact = exact_routes(served, path_prefix)
    push_paths = frozenset(path_prefix + path for path in PUSH_PATHS)
    app: ASGIApp = ExactRoutes(starlette, exact)
    if compress_responses:
        app = GZipMiddleware(
            app,
            minimum_size=COMPRESSED_MIN_BYTES,
            compresslevel=COMPRESSION_LEVEL,
            thread_minimum_size=COMPRESSED_ASIDE_BYTES,
        )
        app = ExactRoutes(app, {at: route for at, route in exact.items() if at[1] in push_paths})
    if busy_s is not None:
        open_to_all = frozenset(path_prefix + path for path in ALWAYS_OPEN)
        app = Door(app, clock, metrics, busy_s=busy_s, open_paths=open_to_all)
    if gates is not None:
        options = gates.options
        app = Authentication(
            app, gates.login, open_paths(options, path_prefix), tuple(challenges(options)), gates.metrics
        )
    logged = RequestLog(
        app,
        RouteNames([route for route in routes if isinstance(route, Route)]),
        metrics,
        clock,
        not_ready_reason,
        path_prefix=path_prefix,
        log_slower_than_s=log_slower_than_s,
        tracer=tracer,
    )
    return UnreadBody(LateBody(logged, body_timeout_s, push_paths))


def _behind(gates: Gates | None, routes: Sequence[BaseRoute]) -> list[BaseRoute]:
    if gates is None:
        return list(routes)
    rules = Rules(gates.login.grant_of, gates.checks_tenants, gates.metrics)
    return [guarded(route, rules) for route in routes]


async def _plain(_: Request, error: Exception) -> Response:
    """Wrong paths and methods in the words that clients know."""
    if not isinstance(error, HTTPException):
        raise error
    texts = {_NOT_FOUND: "404 page not found\n", _WRONG_METHOD: ""}
    response = text_response(texts.get(error.status_code, f"{error.detail}\n"), status=error.status_code)
    response.headers.update(error.headers or {})
    return response
