"""What every endpoint of queries shares: errors become answers, and a client that goes away stops its query."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from lodur.api.errors import CLIENT_GONE_STATUS, CLIENT_GONE_TEXT, error_response, text_response
from lodur.model.errors import LodurError

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
"""Answers one request; may raise LodurError."""


def query_endpoint(handler: Handler) -> Handler:
    """The handler with errors answered, and stopped when the client disconnects.

    The handler must have read the request's body before it first waits for anything else.
    """

    async def endpoint(request: Request) -> Response:
        body_read = asyncio.Event()
        request.state.body_read = body_read
        work = asyncio.ensure_future(_answered(handler, request))
        gone = asyncio.ensure_future(_disconnected(request, body_read))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            return text_response(CLIENT_GONE_TEXT, status=CLIENT_GONE_STATUS)
        finally:
            gone.cancel()
            work.cancel()
            await asyncio.wait({work, gone})

    return endpoint


async def _answered(handler: Handler, request: Request) -> Response:
    try:
        return await handler(request)
    except LodurError as error:
        return error_response(error)
    except ClientDisconnect:
        return text_response(CLIENT_GONE_TEXT, status=CLIENT_GONE_STATUS)


async def _disconnected(request: Request, body_read: asyncio.Event) -> None:
    """Return when the client has gone away."""
    await body_read.wait()
    while (await request.receive())["type"] != "http.disconnect":
        continue
