"""`/log_level`: how much the server logs, asked and changed while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.endpoint import query_endpoint
from lodur.api.loki_query import json_response
from lodur.api.params import Params
from lodur.model.go_strings import quote

BODY_MAX_BYTES = 4096
"""Far more than a word takes."""

_BAD_REQUEST = 400


@dataclass(slots=True)
class LogLevel:
    """The level in force; `change` is told of another one."""

    level: str
    levels: tuple[str, ...]
    change: Callable[[str], None]


def routes(level: LogLevel) -> list[Route]:
    """The routes of this module."""
    endpoint = partial(query_endpoint, body_max_bytes=BODY_MAX_BYTES)
    return [Route("/log_level", endpoint(_Page(level).answer), methods=["GET", "POST"])]


@dataclass(frozen=True, slots=True)
class _Page:
    level: LogLevel

    async def answer(self, request: Request, params: Params) -> Response:
        if request.method != "POST":
            return json_response(orjson.dumps({"message": f"Current log level is {self.level.level}"}))
        asked = params.text("log_level")
        if asked not in self.level.levels:
            message = f"unrecognized log level {quote(asked[:100])}"
            return json_response(orjson.dumps({"status": "failed", "message": message}), status=_BAD_REQUEST)
        self.level.change(asked)
        self.level.level = asked
        return json_response(orjson.dumps({"status": "success", "message": f"Log level set to {asked}"}))
