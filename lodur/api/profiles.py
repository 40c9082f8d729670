"""Profiles of the running server, at the paths where Go programs have theirs. For administrators."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lodur.api.errors import text_response
from lodur.model.clock import Clock
from lodur.telemetry.profiling import Profiler, thread_dump
from lodur.wire.pprof import collapsed, pprof

SECONDS_DEFAULT = 30.0
SECONDS_MAX = 300.0

_BAD_REQUEST = 400
_CONFLICT = 409

INDEX = """\
/debug/pprof/profile?seconds=30           processor time, for `go tool pprof`
/debug/pprof/profile?seconds=30&debug=1   the same as a line a stack, for flame graphs
/debug/pprof/goroutine                    the stacks of all Python threads now
"""


def routes(clock: Clock) -> list[Route]:
    """The routes of this module."""
    pages = _Pages(Profiler(clock))
    return [
        Route("/debug/pprof/", pages.index, methods=["GET"]),
        Route("/debug/pprof/profile", pages.profile, methods=["GET"]),
        Route("/debug/pprof/goroutine", pages.threads, methods=["GET"]),
    ]


@dataclass(frozen=True, slots=True)
class _Pages:
    profiler: Profiler

    async def index(self, _: Request) -> Response:
        return text_response(INDEX, status=200)

    async def profile(self, request: Request) -> Response:
        seconds = _seconds(request.query_params.get("seconds", ""))
        if seconds is None:
            return text_response(f"seconds is a number up to {SECONDS_MAX:.0f}\n", status=_BAD_REQUEST)
        gone = threading.Event()
        try:
            profile = await asyncio.to_thread(self.profiler.take, seconds, gone)
            if profile is None:
                return text_response("another profile is being taken\n", status=_CONFLICT)
            if request.query_params.get("debug", "0") not in ("", "0"):
                return text_response(await asyncio.to_thread(collapsed, profile), status=200)
            body = await asyncio.to_thread(pprof, profile)
        finally:
            gone.set()
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Disposition": 'attachment; filename="profile"',
            "X-Content-Type-Options": "nosniff",
        }
        return Response(body, headers=headers)

    async def threads(self, _: Request) -> Response:
        return text_response(await asyncio.to_thread(thread_dump), status=200)


def _seconds(text: str) -> float | None:
    if not text:
        return SECONDS_DEFAULT
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 < seconds <= SECONDS_MAX else None
