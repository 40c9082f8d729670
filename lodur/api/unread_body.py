"""Answers that come before the request's body has been read: the rest is read and dropped, or the connection closed.

A refusal may need no more than the head of a request. An HTTP/1.1 server that leaves the body unread has to close the
connection, and a client that is still sending, or sends its next request, then sees a broken pipe in place of the
answer. So a small rest is read first, as Go's server does it; where more is to come the answer says
`Connection: close`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAINED_MAX_BYTES = 256 * 1024
"""A longer rest costs more to read than a new connection."""

DRAIN_TIMEOUT_S = 1.0
"""A client that takes longer over the rest is not waited for."""


@dataclass(frozen=True, slots=True)
class UnreadBody:
    """The ASGI application around one that may answer before it has read the body."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _announces_body(scope):
            await self.app(scope, receive, send)
            return
        is_read = False

        async def noting_receive() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = is_read or not _has_more(message)
            return message

        async def draining_send(message: Message) -> None:
            nonlocal is_read
            if message["type"] == "http.response.start" and not is_read:
                is_read = await _drained(scope, receive)
                if not is_read and scope["http_version"] in ("1.0", "1.1"):
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        await self.app(scope, noting_receive, draining_send)


def _announces_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def _has_more(message: Message) -> bool:
    return bool(message["type"] == "http.request" and message.get("more_body", False))


async def _drained(scope: Scope, receive: Receive) -> bool:
    """True when the rest of the body came, and was small."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if announced.isdigit() and int(announced) > DRAINED_MAX_BYTES:
        return False
    size_bytes = 0
    try:
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            while size_bytes <= DRAINED_MAX_BYTES:
                message = await receive()
                if not _has_more(message):
                    return True
                size_bytes += len(message.get("body", b""))
    except TimeoutError:
        return False
    return False
