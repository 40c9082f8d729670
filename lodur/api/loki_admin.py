"""Endpoints for operators: flush, stop, the root page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.errors import text_response

_NO_CONTENT = 204


def routes(flush: Callable[[], Awaitable[None]], stop: Callable[[], None]) -> list[Route]:
    """The routes of this module. `flush` returns when all rows are in segments, `stop` begins the shutdown."""
    pages = _Pages(flush, stop)
    return [
        Route("/", pages.root, methods=["GET"]),
        Route("/flush", pages.flush_rows, methods=["GET", "POST"]),
        Route("/ingester/shutdown", pages.shutdown, methods=["GET", "POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _Pages:
    flush: Callable[[], Awaitable[None]]
    stop: Callable[[], None]

    async def root(self, _: Request) -> Response:
        return text_response("lodur\n", status=200)

    async def flush_rows(self, _: Request) -> Response:
        await self.flush()
        return Response(status_code=_NO_CONTENT)

    async def shutdown(self, request: Request) -> Response:
        if request.query_params.get("flush", "true") == "true":
            await self.flush()
        if request.query_params.get("terminate", "true") == "true":
            self.stop()
        return Response(status_code=_NO_CONTENT)
