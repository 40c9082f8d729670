"""Routes of fixed paths, found at once.

The router asks one route after the other, and wraps each request several times for what fixed paths do not need; that
is a good part of what a small push costs. What is not here goes on to the router, which knows all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lodur.api.errors import text_response

_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class ExactRoutes:
    """The ASGI application around the router."""

    app: ASGIApp
    routes: Mapping[tuple[str, str], Route]
    """By method and path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self.routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self.app(scope, receive, send)
            return
        scope["endpoint"], scope["path_params"] = route.endpoint, {}
        is_answered = False

        async def noting_send(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await route.app(scope, receive, noting_send)
        except Exception:
            if not is_answered:
                await text_response("Internal Server Error", status=_SERVER_ERROR)(scope, receive, send)
            raise


def exact_routes(routes: Iterable[BaseRoute], path_prefix: str) -> dict[tuple[str, str], Route]:
    """The routes that always answer a method at a path, whatever else is in the list: of several, the first."""
    exact: dict[tuple[str, str], Route] = {}
    patterns: list[Route] = []
    for route in routes:
        if not isinstance(route, Route):
            continue
        if "{" in route.path:
            patterns.append(route)
        elif not any(pattern.path_regex.match(route.path) for pattern in patterns):
            for method in route.methods or ():
                exact.setdefault((method, path_prefix + route.path), route)
    return exact
