"""Loki's push endpoints, `/loki/api/v1/push` and the older `/api/prom/push`."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.errors import CLIENT_GONE_STATUS, error_response, text_response
from lodur.api.push_bodies import PushBodies, answered
from lodur.api.pushing import Pushing
from lodur.api.tenant import Tenancy
from lodur.ingest.writer import Writer
from lodur.model.errors import LodurError
from lodur.wire.push_body import ContentEncoding, PushForm, PushFormat, push_form

PUSH_PATH = "/loki/api/v1/push"
LEGACY_PUSH_PATH = "/api/prom/push"

_BLOCKED_SILENTLY = 200


def routes(writer: Writer, tenancy: Tenancy, bodies: PushBodies) -> list[Route]:
    """The routes of this module."""
    pushes = _Pushes(Pushing(writer, bodies), tenancy)
    return [
        Route(PUSH_PATH, pushes.push, methods=["POST"]),
        Route(LEGACY_PUSH_PATH, pushes.push, methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _Pushes:
    pushing: Pushing
    tenancy: Tenancy

    async def push(self, request: Request) -> Response:
        try:
            return await self._push(request)
        except ClientDisconnect:
            return text_response("", status=CLIENT_GONE_STATUS)
        except LodurError as error:
            return error_response(answered(error), newline=True)

    async def _push(self, request: Request) -> Response:
        tenant = self.tenancy.one(request)
        headers = request.headers
        form = push_form(
            headers.get("content-type", ""),
            headers.get("content-encoding", ""),
            is_legacy_path=request.scope["path"].endswith(LEGACY_PUSH_PATH),
        )
        outcome = await self.pushing.push(tenant, request, form, empty_text=_empty_text(form))
        if outcome.status == _BLOCKED_SILENTLY or not outcome.text:
            return Response(status_code=outcome.status)
        return text_response(outcome.text + "\n", status=outcome.status)


def _empty_text(form: PushForm) -> str:
    """What is said of a body without any bytes."""
    is_compressed_alone = form.format is PushFormat.LOKI_PROTOBUF and form.encoding is ContentEncoding.IDENTITY
    return "snappy: corrupt input" if is_compressed_alone else "EOF"
