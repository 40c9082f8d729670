"""Live tail over WebSocket: `/loki/api/v1/tail` and the legacy `/api/prom/tail` (loki.md 1.16).

What is wrong with a request is answered before the upgrade; what Loki finds out afterwards closes the socket with code
1011 and a reason that clients look at.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from lodur.api.errors import error_response, text_response
from lodur.api.loki_query import CATEGORIZE, FLAGS_HEADER
from lodur.api.params import Params, encoding_flags, limit_param, query_params, time_param
from lodur.api.tenant import Tenancy
from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_HOUR, NS_PER_S
from lodur.model.errors import InvalidRequest, LodurError
from lodur.model.go_strings import quote
from lodur.model.tenant import TenantId
from lodur.query.engine import Engine
from lodur.query.plan.nodes import LogScan
from lodur.query.tail.requests import EntryForm, TailEnd, TailForm, TailRequest
from lodur.query.tail.tailing import OpenTail, Tailing

DELAY_MAX_S = 5

INTERNAL_ERROR = 1011
"""The close code of all reasons but one."""

GOING_AWAY = 1001

CLOSE_REASON_BYTES_MAX = 123
"""A close frame holds no more."""

CLOSE_TIMEOUT_S = 2.0

_Task: TypeAlias = asyncio.Future[None] | asyncio.Future[OpenTail] | asyncio.Future[TailEnd]

_BAD_REQUEST = 400


def routes(engine: Engine, tailing: Tailing, tenancy: Tenancy, clock: Clock) -> list[BaseRoute]:
    """The routes of this module."""
    made: list[BaseRoute] = []
    for path, is_legacy in (("/loki/api/v1/tail", False), ("/api/prom/tail", True)):
        sockets = _Tails(engine, tailing, tenancy, clock, is_legacy)
        made += [WebSocketRoute(path, sockets.tail), Route(path, _no_socket, methods=["GET"])]
    return made


async def _no_socket(_: Request) -> Response:
    return text_response("Bad Request\n", status=_BAD_REQUEST)


@dataclass(frozen=True, slots=True)
class _Tails:
    engine: Engine
    tailing: Tailing
    tenancy: Tenancy
    clock: Clock
    is_legacy: bool

    async def tail(self, socket: WebSocket) -> None:
        flags = () if self.is_legacy else encoding_flags(socket.headers.getlist(FLAGS_HEADER))
        try:
            tenant = self.tenancy.one(socket)
            request = self._request(query_params(socket), flags)
            plan = await self.engine.plan_tail(tenant, request.text)
        except LodurError as error:
            await socket.send_denial_response(error_response(error))
            return
        await socket.accept()
        if isinstance(plan, LogScan):
            await self._follow(socket, tenant, plan, request)
        else:
            await _close(socket, INTERNAL_ERROR, "only log selector is supported")

    def _request(self, params: Params, flags: tuple[str, ...]) -> TailRequest:
        form = EntryForm.LEGACY if self.is_legacy else EntryForm.CATEGORIZED if CATEGORIZE in flags else EntryForm.PLAIN
        return TailRequest(
            text=params.text("query"),
            start_ns=time_param(params, "start", self.clock.now_ns() - NS_PER_HOUR),
            limit=limit_param(params),
            delay_ns=_delay_s(params.text("delay_for")) * NS_PER_S,
            form=TailForm(form, flags),
        )

    async def _follow(self, socket: WebSocket, tenant: TenantId, plan: LogScan, request: TailRequest) -> None:
        gone = asyncio.ensure_future(_gone(socket))
        try:
            opened = await self._opened(tenant, plan, request, gone)
        except LodurError as error:
            await _cancelled(gone)
            await _close(socket, INTERNAL_ERROR, str(error))
            return
        except BaseException:
            await _cancelled(gone)
            raise
        if opened is None:
            return
        try:
            end = await self._serve(socket, opened, gone)
            if end is not None:
                await _close(socket, GOING_AWAY if end.is_stop else INTERNAL_ERROR, end.reason)
        finally:
            self.tailing.leave(tenant, opened)

    async def _opened(
        self, tenant: TenantId, plan: LogScan, request: TailRequest, gone: asyncio.Future[None]
    ) -> OpenTail | None:
        """The tail with what it begins with; None where the client goes away before that is found."""
        opening = asyncio.ensure_future(self.tailing.open(tenant, plan, request))
        tasks: tuple[_Task, ...] = (opening, gone)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _cancelled(opening)
            raise
        if opening.done():
            return opening.result()
        await _cancelled(opening)
        return None

    async def _serve(self, socket: WebSocket, opened: OpenTail, gone: asyncio.Future[None]) -> TailEnd | None:
        """Send until the tail ends, or (None) the client goes away."""
        sending = asyncio.ensure_future(_send(socket, opened))
        ending = asyncio.ensure_future(opened.tail.ended())
        tasks: tuple[_Task, ...] = (gone, sending, ending)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return ending.result() if ending.done() else None
        finally:
            # Granian does not close a socket as long as somebody waits for a message of it.
            await _cancelled(*tasks)


async def _send(socket: WebSocket, opened: OpenTail) -> None:
    """Send what there is, as fast as the client takes it; returns where it takes no more."""
    # What a send to a client that has gone away raises is the server's affair.
    with contextlib.suppress(RuntimeError, OSError, WebSocketDisconnect):
        for message in opened.history:
            await socket.send_text(message)
        while True:
            await socket.send_text(await opened.tail.next_message())


def _delay_s(text: str) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.lstrip("+-").isdigit():
        raise InvalidRequest(f"strconv.Atoi: parsing {quote(text)}: invalid syntax")
    seconds = int(text[:10])
    if seconds > DELAY_MAX_S:
        raise InvalidRequest("delay_for can't be greater than 5")
    return max(0, seconds)


async def _gone(socket: WebSocket) -> None:
    """Return when the client has gone away; what it says besides is of no matter."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        continue


async def _cancelled(*tasks: _Task) -> None:
    """Cancel what still runs, and wait for its end."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    """Say why, if the client takes it: one that reads nothing is not waited for."""
    text = reason.encode()[:CLOSE_REASON_BYTES_MAX].decode("utf-8", "ignore")
    with contextlib.suppress(RuntimeError, OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await socket.close(code, text)
