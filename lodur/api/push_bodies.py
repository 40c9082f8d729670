"""Bodies of pushes from the wire, of whatever protocol: bounded in size, in time, and in what all of them hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request

from lodur.api.errors import AnsweredError
from lodur.ingest.held_bodies import HeldBody
from lodur.model.errors import LimitExceeded, LodurError, Unavailable

_TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class PushBodies:
    """How large a body may be and how long it may take; 0 s is no bound."""

    max_bytes: int
    read_timeout_s: float

    async def read(self, request: Request, held: HeldBody) -> bytes:
        """The whole body, counted in `held` as it comes. Raises LimitExceeded and Unavailable."""
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self.max_bytes:
            raise _too_large(int(announced), self.max_bytes)
        chunks: list[bytes] = []
        size_bytes = 0
        try:
            async with asyncio.timeout(self.read_timeout_s or None):
                async for chunk in request.stream():
                    size_bytes += len(chunk)
                    if size_bytes > self.max_bytes:
                        raise _too_large(size_bytes, self.max_bytes)
                    held.grow(len(chunk))
                    if chunk:
                        chunks.append(chunk)
        except TimeoutError as error:
            text = f"the body did not arrive within {self.read_timeout_s:g} s (server.http_server_read_timeout)"
            # Not 408: agents drop what is answered with 4xx, and this push is worth another attempt.
            raise Unavailable(text) from error
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def answered(error: LodurError) -> LodurError:
    """The error that answers a push: bodies that are too large have a status of their own."""
    # Sizes of the body are the only limits here that neither wait nor a smaller rate can satisfy.
    if isinstance(error, LimitExceeded) and not error.retryable:
        return AnsweredError(_too_large_text(error), status=_TOO_LARGE)
    return error


def _too_large(size_bytes: int, allowed_bytes: int) -> LimitExceeded:
    return LimitExceeded(f"{size_bytes} bytes, at most {allowed_bytes} are accepted", limit="max_recv_msg_size")


def _too_large_text(error: LimitExceeded) -> str:
    text = str(error)
    return text if text.startswith("request body too large") else f"request body too large: {text}"
