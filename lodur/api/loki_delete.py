"""Delete requests over HTTP, as Loki's compactor takes them, and their audit trail, which Loki has not.

Parameters stand in the URL only, as in Loki. What requests do is the matter of `lodur.store.deletes`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.access.authentication import USER_KEY
from lodur.api.endpoint import while_connected
from lodur.api.errors import AnsweredError, error_response
from lodur.api.loki_query import json_response
from lodur.api.params import Params, parse_rfc3339, query_params
from lodur.api.tenant import Tenancy
from lodur.api.timely import ANSWER_WITHIN_S, Timely
from lodur.logql.tree import LogQuery
from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_MS, NS_PER_S, format_go_duration, parse_go_duration
from lodur.model.errors import InvalidRequest, LodurError
from lodur.model.limits import DeletionMode
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.delete_queries import parse_deletion
from lodur.store.delete_service import DeleteService, ListedRequest, status_text
from lodur.store.deletes.audit import Trail

PATH = "/loki/api/v1/delete"

ID_HEADER = "X-Delete-Request-ID"

LIST_HINT = f"GET {PATH} lists the requests that are in force"

_FORBIDDEN = 403
_NO_CONTENT = 204
_UNIX_SECONDS = re.compile(r"[0-9]{10}")
_INTERVAL = re.compile(r"([0-9]+(\.[0-9]+)?[hms])+")
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})

Answer = Callable[[Request, TenantId], Awaitable[Response]]


def routes(service: DeleteService, tenancy: Tenancy, clock: Clock, *, within_s: float = ANSWER_WITHIN_S) -> list[Route]:
    """The routes of this module, which answer in time whatever the object store does."""
    pages = _Pages(service, tenancy, clock, Timely(within_s), Timely(within_s))
    return [
        Route(PATH, pages.endpoint(pages.add), methods=["POST", "PUT"]),
        Route(PATH, pages.endpoint(pages.show), methods=["GET"]),
        Route(PATH, pages.endpoint(pages.cancel), methods=["DELETE"]),
        Route("/lodur/api/v1/deletes/audit", pages.endpoint(pages.audit), methods=["GET"]),
        Route("/loki/api/v1/cache/generation_numbers", pages.generation, methods=["GET"]),
    ]


@dataclass(frozen=True, slots=True)
class _Pages:
    service: DeleteService
    tenancy: Tenancy
    clock: Clock
    timely: Timely
    reads: Timely
    """Threads of their own: a long list must not hold up who makes a request."""

    def endpoint(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        """The answer for those who may make requests; refusals end with a newline, as in Loki."""

        async def answered(request: Request) -> Response:
            try:
                tenant = self.tenancy.one(request)
                if not self.service.options.enabled:
                    raise InvalidRequest("Retention is not enabled")
                if self.service.mode_of(tenant) is DeletionMode.DISABLED:
                    raise AnsweredError("deletion is not available for this tenant", status=_FORBIDDEN)
                return await while_connected(request, answer(request, tenant))
            except LodurError as error:
                return error_response(error, newline=True)

        return answered

    async def add(self, request: Request, tenant: TenantId) -> Response:
        params = query_params(request)
        text = params.text("query")
        if not text:
            raise InvalidRequest("query not set")
        query = await asyncio.to_thread(parse_deletion, text)
        span = _span(params, self.clock.now_ns())
        interval_ns = _interval(params, query, span, self.service.options.max_interval_ns)
        service = self.service
        new = await asyncio.to_thread(service.new_request, text, span, max_interval_ns=interval_ns, by=_asker(request))
        made_id = await self.timely.answer(
            lambda watch: service.add(tenant, new, watch).id,
            what=f"the making of delete request {new.id}",
            hint=LIST_HINT,
            done=lambda: new.id,
        )
        return Response(status_code=_NO_CONTENT, headers={ID_HEADER: made_id})

    async def show(self, _: Request, tenant: TenantId) -> Response:
        found = await self.reads.answer(lambda _: self.service.all(tenant), what="the reading of delete requests")
        return json_response(orjson.dumps([_listed(one) for one in found]))

    async def cancel(self, request: Request, tenant: TenantId) -> Response:
        params = query_params(request)
        request_id, force, by = params.text("request_id"), params.text("force") in _TRUE, _asker(request)
        await self.timely.answer(
            lambda watch: self.service.cancel(tenant, request_id, force=force, by=by, watch=watch),
            what="the cancellation of a delete request",
            hint=LIST_HINT,
            done=lambda: None,
        )
        return Response(status_code=_NO_CONTENT)

    async def audit(self, _: Request, tenant: TenantId) -> Response:
        trails = await self.reads.answer(
            lambda watch: self.service.trails(tenant, watch), what="the reading of audit trails"
        )
        return json_response(orjson.dumps([_told(trail) for trail in trails]))

    async def generation(self, request: Request) -> Response:
        try:
            return json_response(orjson.dumps(self.service.generation(self.tenancy.one(request))))
        except LodurError as error:
            return error_response(error)


def _span(params: Params, now_ns: int) -> TimeSpan:
    """The times of a request, both included."""
    if not params.text("start"):
        raise InvalidRequest("start time not set")
    start_ns = _time(params.text("start"), "start")
    end_ns = _time(params.text("end"), "end") if params.text("end") else now_ns
    if end_ns > now_ns:
        raise InvalidRequest("deletes in the future are not allowed")
    if start_ns >= end_ns:
        raise InvalidRequest("start time can't be greater than or equal to end time")
    return TimeSpan(start_ns, end_ns)


def _time(text: str, name: str) -> int:
    if _UNIX_SECONDS.fullmatch(text):
        return int(text) * NS_PER_S
    found = parse_rfc3339(text)
    if found is None:
        raise InvalidRequest(f"invalid {name} time: require unix seconds or RFC3339 format")
    return found


def _interval(params: Params, query: LogQuery, span: TimeSpan, max_ns: int) -> int:
    """The `max_interval` of a request whose query looks at lines; 0 where it says none."""
    text = params.text("max_interval")
    if not text or not query.stages:
        return 0
    if not _INTERVAL.fullmatch(text):
        raise InvalidRequest("invalid max_interval: valid time units are 's', 'm', 'h'")
    try:
        interval_ns = parse_go_duration(text)
    except ValueError as error:
        raise InvalidRequest("invalid max_interval: valid time units are 's', 'm', 'h'") from error
    if interval_ns > max_ns:
        raise InvalidRequest(f"max_interval can't be greater than {format_go_duration(max_ns)}")
    if interval_ns > span.length_ns:
        asked = format_go_duration(span.length_ns)
        raise InvalidRequest(f"max_interval can't be greater than the interval to be deleted ({asked})")
    return interval_ns


def _asker(request: Request) -> str:
    """Who makes a request, for the audit trail: the user, where there are users, and the address."""
    user, host = request.scope.get(USER_KEY), request.client.host if request.client is not None else "unknown"
    return f"{user} at {host}" if isinstance(user, str) and user else host


def _listed(listed: ListedRequest) -> dict[str, str | int | float]:
    request = listed.request
    return {
        "request_id": request.id,
        "start_time": _seconds(request.start_ns),
        "end_time": _seconds(request.end_ns),
        "query": request.query,
        "status": status_text(listed),
        "created_at": _seconds(request.created_at_ns),
        "user_id": "",
    }


def _told(trail: Trail) -> dict[str, object]:
    request = trail.request
    cancelled = trail.cancelled
    return {
        "request_id": request.id,
        "start_time": _seconds(request.start_ns),
        "end_time": _seconds(request.end_ns),
        "query": request.query,
        "created_at": _seconds(request.created_at_ns),
        "created_by": request.created_by,
        "started_at": _optional_seconds(request.started_at_ns),
        "processed_at": _optional_seconds(request.processed_at_ns),
        "cancelled": None
        if cancelled is None
        else {"at": _seconds(cancelled.at_ns), "by": cancelled.by, "forced": cancelled.forced},
        "removed_entries": trail.removed_rows,
        "removals": [
            {
                "segment": removed.segment,
                "entries": removed.rows,
                "at": _seconds(removed.at_ns),
                "by": removed.by,
                "into": removed.into,
            }
            for removed in trail.removed
        ],
        "unread_segments": trail.unread,
    }


def _optional_seconds(time_ns: int | None) -> int | float | None:
    return None if time_ns is None else _seconds(time_ns)


def _seconds(time_ns: int) -> int | float:
    """Seconds with milliseconds where there are any, as clients know them."""
    whole, rest_ns = divmod(time_ns, NS_PER_S)
    milliseconds = rest_ns // NS_PER_MS
    return whole + milliseconds / 1000 if milliseconds else whole
