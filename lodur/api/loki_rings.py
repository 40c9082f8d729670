"""Pages about rings, for tools that ask for them: there is one process, and it is the whole ring."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from lodur.api.errors import text_response
from lodur.api.loki_query import json_response
from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_S

RINGS = (
    "/ring",
    "/distributor/ring",
    "/indexgateway/ring",
    "/compactor/ring",
    "/ruler/ring",
    "/scheduler/ring",
    "/pattern/ring",
)

_FOUND = 302


def routes(name: str, address: str, clock: Clock) -> list[Route]:
    """The routes of this module; `name` and `address` are those of this process."""
    rings = _Rings(name, address, clock, clock.now_ns())
    pages = [Route(path, rings.ring, methods=["GET", "POST"]) for path in RINGS]
    return [*pages, Route("/memberlist", rings.memberlist, methods=["GET"])]


@dataclass(frozen=True, slots=True)
class _Rings:
    name: str
    address: str
    clock: Clock
    started_ns: int

    async def ring(self, request: Request) -> Response:
        if request.method == "POST":
            # To forget a member that is gone: there is none, and whoever asks sees the page again.
            return RedirectResponse(".", status_code=_FOUND)
        if "application/json" in request.headers.get("Accept", ""):
            return json_response(orjson.dumps(self._members()))
        page = (
            "<!DOCTYPE html><title>Ring</title><h1>Ring</h1><table><tr><th>Instance<th>State<th>Address"
            f"<tr><td>{html.escape(self.name)}<td>ACTIVE<td>{html.escape(self.address)}</table>"
        )
        return HTMLResponse(page)

    async def memberlist(self, _: Request) -> Response:
        return text_response("This instance doesn't use memberlist.", status=200)

    def _members(self) -> dict[str, object]:
        now = _rfc3339(self.clock.now_ns())
        member = {
            "id": self.name,
            "state": "ACTIVE",
            "address": self.address,
            "timestamp": now,
            "registered_timestamp": _rfc3339(self.started_ns),
            "read_only": False,
            "zone": "",
            "tokens": [0],
        }
        return {"shards": [member], "now": now}


def _rfc3339(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
