"""Loki's push endpoints, `/loki/api/v1/push` and the older `/api/prom/push`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.errors import CLIENT_GONE_STATUS, AnsweredError, error_response, text_response
from lodur.api.tenant import Tenancy
from lodur.ingest.held_bodies import HeldBody
from lodur.ingest.writer import Writer
from lodur.model.errors import InvalidRequest, LimitExceeded, LodurError, Unavailable
from lodur.wire.push_body import push_form

PUSH_PATH = "/loki/api/v1/push"
LEGACY_PUSH_PATH = "/api/prom/push"

_TOO_LARGE = 413
_BLOCKED_SILENTLY = 200


def routes(writer: Writer, tenancy: Tenancy, *, body_max_bytes: int, read_timeout_s: float) -> list[Route]:
    """The routes of this module."""
    pushes = _Pushes(writer, tenancy, body_max_bytes, read_timeout_s)
    return [
        Route(PUSH_PATH, pushes.push, methods=["POST"]),
        Route(LEGACY_PUSH_PATH, pushes.push, methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _Pushes:
    writer: Writer
    tenancy: Tenancy
    body_max_bytes: int
    read_timeout_s: float

    async def push(self, request: Request) -> Response:
        try:
            return await self._push(request)
        except ClientDisconnect:
            return text_response("", status=CLIENT_GONE_STATUS)
        except LimitExceeded as error:
            # Sizes of the body are the only limits here that neither wait nor a smaller rate can satisfy.
            answer = error if error.retryable else AnsweredError(_too_large_text(error), status=_TOO_LARGE)
            return error_response(answer, newline=True)
        except LodurError as error:
            return error_response(error, newline=True)

    async def _push(self, request: Request) -> Response:
        tenant = self.tenancy.one(request)
        headers = request.headers
        form = push_form(
            headers.get("content-type", ""),
            headers.get("content-encoding", ""),
            is_legacy_path=request.scope["path"].endswith(LEGACY_PUSH_PATH),
        )
        with self.writer.bodies.one() as held:
            outcome = await self.writer.push(tenant, await self._body(request, held), form)
        if outcome.status == _BLOCKED_SILENTLY or not outcome.text:
            return Response(status_code=outcome.status)
        return text_response(outcome.text + "\n", status=outcome.status)

    async def _body(self, request: Request, held: HeldBody) -> bytes:
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self.body_max_bytes:
            raise _too_large(int(announced), self.body_max_bytes)
        chunks: list[bytes] = []
        size_bytes = 0
        try:
            async with asyncio.timeout(self.read_timeout_s or None):
                async for chunk in request.stream():
                    size_bytes += len(chunk)
                    if size_bytes > self.body_max_bytes:
                        raise _too_large(size_bytes, self.body_max_bytes)
                    held.grow(len(chunk))
                    if chunk:
                        chunks.append(chunk)
        except TimeoutError as error:
            text = f"the body did not arrive within {self.read_timeout_s:g} s (server.http_server_read_timeout)"
            # Not 408: agents drop what is answered with 4xx, and this push is worth another attempt.
            raise Unavailable(text) from error
        if not size_bytes:
            raise InvalidRequest("EOF")
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(size_bytes: int, allowed_bytes: int) -> LimitExceeded:
    return LimitExceeded(f"{size_bytes} bytes, at most {allowed_bytes} are accepted", limit="max_recv_msg_size")


def _too_large_text(error: LimitExceeded) -> str:
    text = str(error)
    return text if text.startswith("request body too large") else f"request body too large: {text}"
