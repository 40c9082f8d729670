"""What every endpoint of queries shares: parameters, errors as answers, and clients that go away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from lodur.api.errors import CLIENT_GONE_STATUS, CLIENT_GONE_TEXT, error_response, text_response
from lodur.api.params import Params, read_params
from lodur.model.errors import LodurError

Handler: TypeAlias = Callable[[Request, Params], Awaitable[Response]]
"""Answers one request, whose body has been read; may raise LodurError."""

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def query_endpoint(handler: Handler, *, body_max_bytes: int) -> Endpoint:
    """The handler with its parameters read and its errors answered; it is cancelled when the client disconnects."""

    async def endpoint(request: Request) -> Response:
        try:
            params = await read_params(request, body_max_bytes=body_max_bytes)
            return await while_connected(request, handler(request, params))
        except LodurError as error:
            return error_response(error)
        except ClientDisconnect:
            return text_response(CLIENT_GONE_TEXT, status=CLIENT_GONE_STATUS)

    return endpoint


async def while_connected(request: Request, answer: Awaitable[Response]) -> Response:
    """The answer, which is cancelled when the client disconnects; nobody asks for the body any more."""
    work = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        return text_response(CLIENT_GONE_TEXT, status=CLIENT_GONE_STATUS)
    finally:
        work.cancel()
        gone.cancel()
        await asyncio.wait({work, gone})


async def _disconnected(request: Request) -> None:
    """Return when the client has gone away. The body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        continue
