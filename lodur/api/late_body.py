"""Bodies that take too long to arrive: the request is answered, and whoever reads the body sees its client as gone.

Whoever has something better to say about a late body says it within `GRACE_S`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lodur.api.errors import text_response

GRACE_S = 1.0

_TIMEOUT = 408


@dataclass(frozen=True, slots=True)
class LateBody:
    """The ASGI application around one that reads bodies; `timeout_s` 0 waits for ever.

    Paths that see to it themselves are left alone.
    """

    app: ASGIApp
    timeout_s: float
    careful_paths: frozenset[str] = frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_guarded = scope["type"] == "http" and self.timeout_s and scope["path"] not in self.careful_paths
        if not is_guarded or not _may_have_body(scope):
            await self.app(scope, receive, send)
            return
        due_s = asyncio.get_running_loop().time() + self.timeout_s + GRACE_S
        is_read = is_late = is_answered = False

        async def receive_in_time() -> Message:
            nonlocal is_read, is_late
            if is_read:
                return await receive()
            try:
                async with asyncio.timeout_at(due_s):
                    message = await receive()
            except TimeoutError:
                is_late = True
                return {"type": "http.disconnect"}
            is_read = not (message["type"] == "http.request" and message.get("more_body", False))
            return message

        async def send_in_time(message: Message) -> None:
            nonlocal is_answered
            if is_answered or not is_late:
                is_answered = True
                await send(message)

        await self.app(scope, receive_in_time, send_in_time)
        if is_late and not is_answered:
            text = f"the body did not arrive within {self.timeout_s:g} s (server.http_server_read_timeout)\n"
            await text_response(text, status=_TIMEOUT)(scope, receive, send)


def _may_have_body(scope: Scope) -> bool:
    """HTTP/1.1 announces a body; later versions need not."""
    is_announced = any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )
    return is_announced or scope["http_version"] not in ("1.0", "1.1")
