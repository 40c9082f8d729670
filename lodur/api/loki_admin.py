"""Endpoints for operators: flush, stop, the root page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.errors import error_response, text_response
from lodur.model.errors import InvalidRequest

_NO_CONTENT = 204

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


@dataclass(slots=True)
class ShutdownMark:
    """Whether the next stop is to flush all rows, whatever the configuration says. It is forgotten with the process."""

    is_set: bool = False


def routes(flush: Callable[[], Awaitable[None]], stop: Callable[[], None], mark: ShutdownMark) -> list[Route]:
    """The routes of this module. `flush` returns when all rows are in segments, `stop` begins the shutdown."""
    pages = _Pages(flush, stop, mark)
    return [
        Route("/", pages.root, methods=["GET"]),
        Route("/flush", pages.flush_rows, methods=["GET", "POST"]),
        Route("/ingester/shutdown", pages.shutdown, methods=["GET", "POST"]),
        Route("/ingester/prepare_shutdown", pages.prepare_shutdown, methods=["GET", "POST", "DELETE"]),
    ]


@dataclass(frozen=True, slots=True)
class _Pages:
    flush: Callable[[], Awaitable[None]]
    stop: Callable[[], None]
    mark: ShutdownMark

    async def root(self, _: Request) -> Response:
        return text_response("lodur\n", status=200)

    async def flush_rows(self, _: Request) -> Response:
        await self.flush()
        return Response(status_code=_NO_CONTENT)

    async def shutdown(self, request: Request) -> Response:
        try:
            flushes, stops = _switch(request, "flush", True), _switch(request, "terminate", True)
            _switch(request, "delete_ring_tokens", False)
        except InvalidRequest as error:
            return error_response(error, newline=True)
        if flushes:
            await self.flush()
        if stops:
            self.stop()
        return Response(status_code=_NO_CONTENT)

    async def prepare_shutdown(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            return text_response("set" if self.mark.is_set else "unset", status=200)
        self.mark.is_set = request.method == "POST"
        return Response(status_code=_NO_CONTENT)


def _switch(request: Request, name: str, default: bool) -> bool:
    text = request.query_params.get(name, "")
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text:
        raise InvalidRequest(f"invalid value for {name}: '{text[:100]}', use true or false")
    return default
