"""The endpoint of OpenTelemetry logs, `/otlp/v1/logs`.

Refusals are a protobuf `google.rpc.Status` whatever the body's form was, as Loki answers them. The mapping to streams
is described in docs/reference/opentelemetry.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.errors import CLIENT_GONE_STATUS, error_response, status_of, text_response
from lodur.api.push_bodies import PushBodies, answered
from lodur.api.pushing import Pushing
from lodur.api.tenant import Tenancy
from lodur.ingest.writer import Writer
from lodur.model.errors import LodurError, Unavailable
from lodur.model.tenant import TenantId
from lodur.wire.otlp import STATUS_TYPE, otlp_form, status_message

LOGS_PATH = "/otlp/v1/logs"

_INTERNAL_ERROR = 500
_UNAVAILABLE = 503
_BLOCKED_SILENTLY = 200


def routes(writer: Writer, tenancy: Tenancy, bodies: PushBodies) -> list[Route]:
    """The routes of this module."""
    return [Route(LOGS_PATH, _Logs(Pushing(writer, bodies), tenancy).push, methods=["POST"])]


@dataclass(frozen=True, slots=True)
class _Logs:
    pushing: Pushing
    tenancy: Tenancy

    async def push(self, request: Request) -> Response:
        try:
            tenant = self.tenancy.one(request)
        except LodurError as error:
            # Whose request it is, is asked before the protocol is.
            return error_response(error, newline=True)
        try:
            return await self._push(tenant, request)
        except ClientDisconnect:
            return text_response("", status=CLIENT_GONE_STATUS)
        except LodurError as error:
            return _refusal(answered(error))

    async def _push(self, tenant: TenantId, request: Request) -> Response:
        headers = request.headers
        form = otlp_form(headers.get("content-type", ""), headers.get("content-encoding", ""))
        outcome = await self.pushing.push(tenant, request, form)
        if outcome.status == _BLOCKED_SILENTLY or not outcome.text:
            return Response(status_code=outcome.status)
        return _status(outcome.text, outcome.status)


def _refusal(error: LodurError) -> Response:
    # Exporters send again after 503, not after 500.
    status = status_of(error)
    response = _status(str(error), _UNAVAILABLE if status == _INTERNAL_ERROR else status)
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return response


def _status(text: str, status: int) -> Response:
    return Response(status_message(text), status_code=status, headers={"Content-Type": STATUS_TYPE})
