"""The door that all requests come through: no tenant fills the event loop while others are there.

Whatever a request asks for, some of its work is done on the one thread that begins and answers all of them. A tenant
whose requests come as fast as they are answered keeps that thread busy, and each step of everybody's requests waits
behind its own. While others are there, the requests of such a tenant therefore come in one after the other, at a pace
that leaves the thread time: a good part of it while a request of somebody else is being answered, some of it always.
They wait without costing anything, for nothing of them has been read; those that would wait too long are told to come
again. What requests do on other threads has turns of its own.

Start at `Door.__call__`; who is to be slowed down is decided in `Door._measure`.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from lodur.api.access.authentication import USER_KEY
from lodur.api.errors import text_response
from lodur.api.tenant import TENANT_HEADER
from lodur.model.clock import Clock
from lodur.telemetry.request_metrics import RequestMetrics

PERIOD_S = 0.25
"""Between two looks at who does how much."""

RUSHING_SHARE = 0.2
"""Of the thread's time: whoever takes less is not slowed down."""

FAR_MORE = 4
"""Times the requests of another tenant. Those that all do much the same do not wait for each other."""

BESIDE_SHARE = 0.1
"""What those who are slowed down get of the thread's time, together, while requests of others are being answered."""

PACED_SHARE = 0.5
"""What they get while there are none."""

THERE_S = 10.0
"""A tenant is there for so long after a request: agents push more often than that."""

TENANTS_MAX = 10_000
"""Who is there at most; those seen longest ago are forgotten."""

WAIT_MAX_S = 5.0
"""Half of what agents wait for an answer."""

RELEASE_S = 0.001
"""The event loop's timers are no finer."""

CATCH_UP_S = 0.005
"""What is made up for when a timer comes late: more at once would stand in the way of others."""

_TOO_MANY = 429
_TENANT_KEY = TENANT_HEADER.lower().encode()


@dataclass(slots=True)
class _Line:
    """The requests of a tenant that is slowed down."""

    last_s: float
    """When the last one came in, or might have."""
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    timer: asyncio.TimerHandle | None = None


class Door:
    """The ASGI application around the routes, behind the first gate. Belongs to the event loop."""

    def __init__(
        self,
        app: ASGIApp,
        clock: Clock,
        metrics: RequestMetrics,
        *,
        busy_s: Callable[[], float],
        open_paths: frozenset[str] = frozenset(),
    ) -> None:
        """`busy_s` tells how much time the thread of the event loop has spent working; who asks for `open_paths` is no
        tenant."""
        self._app = app
        self._open_paths = open_paths
        self._clock = clock
        self._busy_s = busy_s
        self._metrics = metrics
        self._there: OrderedDict[str, float] = OrderedDict()
        """When each tenant was seen; longest ago first."""
        self._begun: Counter[str] = Counter()
        """Requests of this period."""
        self._since_s = clock.monotonic_s()
        self._busy_before_s = busy_s()
        self._lines: dict[str, _Line] = {}
        self._cost_s = 0.0
        """Of a request that is slowed down, times how many share what such get."""
        self._others = 0
        """Requests that were not slowed down and are being answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return
        name = _name(scope)
        now_s = self._clock.monotonic_s()
        self._begun[name] += 1
        self._there[name] = now_s
        self._there.move_to_end(name)
        if now_s - self._since_s >= PERIOD_S:
            self._measure(now_s)
        line = self._lines.get(name)
        if line is None:
            await self._serve_at_once(scope, receive, send)
            return
        wait_s = line.last_s - now_s + (len(line.waiting) + 1) * self._interval_s()
        if wait_s > WAIT_MAX_S:
            self._metrics.turned_away.inc()
            refusal = text_response("too many outstanding requests\n", status=_TOO_MANY)
            refusal.headers["Retry-After"] = str(math.ceil(wait_s))
            await refusal(scope, receive, send)
            return
        if line.waiting or wait_s > 0:
            await self._turn(line)
        else:
            line.last_s = now_s
        await self._app(scope, receive, send)

    async def _serve_at_once(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Sockets stay open for hours, and mostly do nothing.
        counts = scope["type"] == "http"
        self._others += counts
        try:
            await self._app(scope, receive, send)
        finally:
            self._others -= counts

    def _interval_s(self) -> float:
        """Between two requests of a line."""
        return self._cost_s / (BESIDE_SHARE if self._others else PACED_SHARE)

    async def _turn(self, line: _Line) -> None:
        """Wait for a place in the line to come up."""
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(called)
        if line.timer is None:
            self._set_timer(line)
        with self._metrics.held.track_inprogress():
            await called

    def _set_timer(self, line: _Line) -> None:
        wait_s = max(RELEASE_S, line.last_s + self._interval_s() - self._clock.monotonic_s())
        line.timer = asyncio.get_running_loop().call_later(wait_s, self._let_in, line)

    def _let_in(self, line: _Line) -> None:
        """Call those whose time has come."""
        line.timer = None
        now_s, interval_s = self._clock.monotonic_s(), self._interval_s()
        line.last_s = max(line.last_s, now_s - interval_s - CATCH_UP_S)
        while line.waiting and line.last_s + interval_s <= now_s:
            called = line.waiting.popleft()
            if not called.done():
                called.set_result(None)
                line.last_s += interval_s
        if line.waiting:
            self._set_timer(line)

    def _measure(self, now_s: float) -> None:
        """See who takes more than its share, and what a request costs."""
        passed_s, busy_s = now_s - self._since_s, self._busy_s()
        begun, self._begun = self._begun, Counter()
        cost_s = (busy_s - self._busy_before_s) / begun.total()
        self._since_s, self._busy_before_s = now_s, busy_s
        self._forget(now_s)
        smallest = min(begun.values()) if len(begun) >= len(self._there) else 0
        least = max(RUSHING_SHARE * passed_s / cost_s if cost_s > 0 else math.inf, smallest * FAR_MORE)
        rushing = {name for name, count in begun.items() if count > least}
        if len(self._there) > 1:
            # As long as some wait, their tenant would send more than it may.
            rushing |= {name for name, line in self._lines.items() if line.waiting}
        for name in self._lines.keys() - rushing:
            _open(self._lines.pop(name))
        self._cost_s = cost_s * len(rushing)
        for name in rushing:
            self._lines.setdefault(name, _Line(now_s))

    def _forget(self, now_s: float) -> None:
        while self._there:
            name, seen_s = next(iter(self._there.items()))
            if now_s - seen_s < THERE_S and len(self._there) <= TENANTS_MAX:
                return
            del self._there[name]


def _open(line: _Line) -> None:
    """Let all in that wait, who are few: their tenant is alone, or sends less than it may."""
    if line.timer is not None:
        line.timer.cancel()
    for called in line.waiting:
        if not called.done():
            called.set_result(None)


def _name(scope: Scope) -> str:
    """Whose request it is, as far as its head says: nobody is believed more than that here."""
    tenant = next((value.decode("latin-1") for key, value in scope["headers"] if key == _TENANT_KEY), "")
    return f"{scope.get(USER_KEY, '')}/{tenant}"
