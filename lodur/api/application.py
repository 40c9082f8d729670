"""All routes as one ASGI application. Start at `build_application`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp

from lodur.api.errors import text_response
from lodur.api.request_log import RequestLog, RouteNames
from lodur.api.unread_body import UnreadBody
from lodur.model.clock import Clock
from lodur.telemetry.request_metrics import RequestMetrics

COMPRESSED_MIN_BYTES = 1024
"""Smaller answers fit one packet as they are."""

_NOT_FOUND = 404


def build_application(
    routes: Sequence[Route],
    *,
    path_prefix: str,
    compress_responses: bool,
    log_slower_than_s: float,
    metrics: RequestMetrics,
    clock: Clock,
    not_ready_reason: Callable[[], str | None],
) -> ASGIApp:
    """The application that serves these routes below a prefix."""
    # Clients do not follow redirects of pushes: a path with a slash too many is no path.
    router = Router(list(routes), redirect_slashes=False)
    starlette = Starlette(routes=[Mount(path_prefix, app=router)], exception_handlers={HTTPException: _plain})
    starlette.router.redirect_slashes = False
    app: ASGIApp = starlette
    if compress_responses:
        app = GZipMiddleware(app, minimum_size=COMPRESSED_MIN_BYTES)
    logged = RequestLog(
        app,
        RouteNames(routes),
        metrics,
        clock,
        not_ready_reason,
        path_prefix=path_prefix,
        log_slower_than_s=log_slower_than_s,
    )
    return UnreadBody(logged)


async def _plain(_: Request, error: Exception) -> Response:
    """Wrong paths and methods in the words that clients know."""
    if not isinstance(error, HTTPException):
        raise error
    text = "404 page not found\n" if error.status_code == _NOT_FOUND else f"{error.detail}\n"
    response = text_response(text, status=error.status_code)
    response.headers.update(error.headers or {})
    return response
