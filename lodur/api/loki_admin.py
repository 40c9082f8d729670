"""Endpoints for operators: flush, stop, the level of the log, the root page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.endpoint import query_endpoint
from lodur.api.errors import error_response, text_response
from lodur.api.loki_query import json_response
from lodur.api.params import Params
from lodur.api.timely import ANSWER_WITHIN_S
from lodur.model.errors import DeadlineExceeded, InvalidRequest
from lodur.telemetry.log import LevelSwitch

_NO_CONTENT = 204
_WRONG_METHOD = 405
"""What Loki answers about partitions where it has none."""

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


FORM_MAX_BYTES = 4096
"""Of a form with the name of a level."""


Flush: TypeAlias = Callable[[float | None], Awaitable[int]]
"""Bring all rows into segments; returns when they are there, or after so many seconds. Of how many tenants not all are.
"""


@dataclass(slots=True)
class ShutdownMark:
    """Whether the next stop is to flush all rows, whatever the configuration says. It is forgotten with the process."""

    is_set: bool = False


def routes(
    flush: Flush,
    stop: Callable[[], None],
    log_level: LevelSwitch,
    mark: ShutdownMark,
    *,
    within_s: float = ANSWER_WITHIN_S,
) -> list[Route]:
    """The routes of this module. `stop` begins the shutdown; `/flush` is answered in time."""
    pages = _Pages(flush, stop, log_level, mark, within_s)
    return [
        Route("/", pages.root, methods=["GET"]),
        Route("/flush", pages.flush_rows, methods=["GET", "POST"]),
        Route("/ingester/shutdown", pages.shutdown, methods=["GET", "POST"]),
        Route("/ingester/prepare_shutdown", pages.prepare_shutdown, methods=["GET", "POST", "DELETE"]),
        Route("/ingester/prepare_partition_downscale", pages.no_partitions, methods=["GET", "POST", "DELETE"]),
        Route("/log_level", pages.show_level, methods=["GET"]),
        Route("/log_level", query_endpoint(pages.change_level, body_max_bytes=FORM_MAX_BYTES), methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _Pages:
    flush: Flush
    stop: Callable[[], None]
    log_level: LevelSwitch
    mark: ShutdownMark
    within_s: float

    async def root(self, _: Request) -> Response:
        return text_response("lodur\n", status=200)

    async def flush_rows(self, _: Request) -> Response:
        left = await self.flush(self.within_s)
        if left:
            late = DeadlineExceeded(
                f"rows of {left} tenants are not in segments yet; what was begun goes on: ask again, and where that "
                "does not help see the server's log for failed flushes"
            )
            return error_response(late, newline=True)
        return Response(status_code=_NO_CONTENT)

    async def shutdown(self, request: Request) -> Response:
        try:
            flushes, stops = _switch(request, "flush", True), _switch(request, "terminate", True)
            _switch(request, "delete_ring_tokens", False)
        except InvalidRequest as error:
            return error_response(error, newline=True)
        if flushes:
            # Who stops a machine for good waits for its rows, however long that takes.
            await self.flush(None)
        if stops:
            self.stop()
        return Response(status_code=_NO_CONTENT)

    async def prepare_shutdown(self, request: Request) -> Response:
        if request.method in ("GET", "HEAD"):
            return text_response("set" if self.mark.is_set else "unset", status=200)
        self.mark.is_set = request.method == "POST"
        return Response(status_code=_NO_CONTENT)

    async def no_partitions(self, _: Request) -> Response:
        return Response(status_code=_WRONG_METHOD)

    async def show_level(self, _: Request) -> Response:
        return json_response(orjson.dumps({"message": f"Current log level is {self.log_level.name}"}))

    async def change_level(self, _: Request, params: Params) -> Response:
        name = params.text("log_level")
        try:
            self.log_level.change(name)
        except ValueError as error:
            return json_response(orjson.dumps({"status": "failed", "message": str(error)}), status=400)
        return json_response(orjson.dumps({"status": "success", "message": f"Log level set to {name}"}))


def _switch(request: Request, name: str, default: bool) -> bool:
    text = request.query_params.get(name, "")
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text:
        raise InvalidRequest(f"invalid value for {name}: '{text[:100]}', use true or false")
    return default
