"""Tell Alertmanagers of alerts: each of them has a queue of its own, so that one that is away delays no other.

In a queue an alert stands once, in its newest state. What cannot be delivered is tried again with growing pauses; the
queue is bounded, and what falls out of it is counted. Who they are may change while it runs (see `discovery`). Start at
`Notifier`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx
import structlog

from lodur.model.clock import Clock
from lodur.model.label_set import LabelSet
from lodur.model.tenant import TenantId
from lodur.ruler.discovery import Discovery
from lodur.ruler.http_client import mask_credentials, post
from lodur.ruler.options import AlertmanagerOptions
from lodur.telemetry.ruler_metrics import RulerMetrics
from lodur.wire.alertmanager import ALERTS_PATH, AlertMessage, encode_alerts

BATCH_ALERTS_MAX = 256
"""Alerts in one request: what Alertmanager takes at once without trouble."""

PAUSE_MIN_S = 1.0
PAUSE_MAX_S = 30.0
"""Between attempts at an Alertmanager that is away."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Queue:
    """What one Alertmanager has not been told yet."""

    url: str
    waiting: dict[LabelSet, AlertMessage] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    is_idle: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Notifier:
    """Delivers the alerts of one tenant over a client that it closes. Belongs to the event loop."""

    def __init__(
        self,
        tenant: TenantId,
        options: AlertmanagerOptions,
        http: httpx.AsyncClient,
        *,
        discovery: Discovery | None = None,
        user_agent: str,
        clock: Clock,
        rng: random.Random,
        metrics: RulerMetrics,
    ) -> None:
        self._tenant = tenant
        self._options = options
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._headers = {
            "Content-Type": "application/json",
            "X-Scope-OrgID": tenant.value,
            "User-Agent": user_agent,
        }
        self._http = http
        self._queues: list[_Queue] = []
        self._discovery = discovery
        self._follower: asyncio.Task[None] | None = None
        self._is_closing = False
        if discovery is None:
            self._use(options.urls)

    @property
    def options(self) -> AlertmanagerOptions:
        return self._options

    async def start(self) -> None:
        """Look up who is to be told, now and from time to time."""
        if self._discovery is not None:
            self._use(await self._discovery.find())
            self._follower = asyncio.create_task(self._follow(self._discovery))

    def tell(self, messages: Iterable[AlertMessage]) -> None:
        """Queue alerts for every Alertmanager."""
        told = list(messages)
        if not told:
            return
        if not self._queues:
            # Nobody was found: firing alerts are told again anyway, and whoever has come by then hears of them.
            self._metrics.notifications_dropped.labels(self._tenant.value).inc(len(told))
        for queue in self._queues:
            for message in told:
                # The newest state goes to the end: what an Alertmanager is told last holds.
                queue.waiting.pop(message.labels, None)
                queue.waiting[message.labels] = message
            self._bound(queue)
            queue.is_idle.clear()
            queue.arrived.set()
        self._measure()

    async def close(self, drain_s: float) -> None:
        """Give what is queued so long to be delivered, then stop."""
        # A look-up that ends in this moment may swallow the cancellation (asyncio.wait_for before Python 3.12).
        self._is_closing = True
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        if self._queues:
            idle = [asyncio.ensure_future(queue.is_idle.wait()) for queue in self._queues]
            await asyncio.wait(idle, timeout=drain_s)
            for waiting in idle:
                waiting.cancel()
        self._use(())
        await self._http.aclose()

    async def _follow(self, discovery: Discovery) -> None:
        log = _log.bind(tenant=self._tenant.value)
        while not self._is_closing:
            await asyncio.sleep(self._options.refresh_s)
            try:
                self._use(await discovery.find())
            except Exception:
                log.exception("Alertmanagers could not be looked up")

    def _use(self, urls: Iterable[str]) -> None:
        """Tell these from now on, each once, and those that are not among them no more."""
        wanted = dict.fromkeys(urls)
        for queue in self._queues:
            if queue.url not in wanted and queue.task is not None:
                queue.task.cancel()
        self._queues = [queue for queue in self._queues if queue.url in wanted]
        for url in wanted.keys() - {queue.url for queue in self._queues}:
            queue = _Queue(url)
            queue.is_idle.set()
            queue.task = asyncio.create_task(self._run(queue))
            self._queues.append(queue)
        self._metrics.alertmanagers.labels(self._tenant.value).set(len(self._queues))

    def _bound(self, queue: _Queue) -> None:
        surplus = len(queue.waiting) - self._options.queue_alerts_max
        for labels in list(queue.waiting)[: max(0, surplus)]:
            del queue.waiting[labels]
            self._metrics.notifications_dropped.labels(self._tenant.value).inc()

    def _measure(self) -> None:
        waiting = max((len(queue.waiting) for queue in self._queues), default=0)
        self._metrics.notifications_waiting.labels(self._tenant.value).set(waiting)

    async def _run(self, queue: _Queue) -> None:
        failures = 0
        log = _log.bind(tenant=self._tenant.value, alertmanager=mask_credentials(queue.url))
        while True:
            if not queue.waiting:
                queue.is_idle.set()
                queue.arrived.clear()
                await queue.arrived.wait()
            try:
                pause_s = await self._deliver(queue, failures)
            except Exception:
                log.exception("alerts could not be sent")
                pause_s = PAUSE_MAX_S
            self._measure()
            failures = failures + 1 if pause_s else 0
            if pause_s:
                await asyncio.sleep(pause_s)

    async def _deliver(self, queue: _Queue, failures: int) -> float:
        """Send a batch; for how long to wait before the next."""
        batch = list(queue.waiting.items())[:BATCH_ALERTS_MAX]
        for labels, _ in batch:
            del queue.waiting[labels]
        messages = [message for _, message in batch]
        began_s = self._clock.monotonic_s()
        url = queue.url.rstrip("/") + ALERTS_PATH
        reply = await post(self._http, url, encode_alerts(messages), self._headers, self._options.http)
        where = (self._tenant.value, mask_credentials(queue.url))
        self._metrics.notification_seconds.labels(*where).observe(self._clock.monotonic_s() - began_s)
        if reply.is_taken:
            self._metrics.notifications_sent.labels(*where).inc(len(messages))
            return 0.0
        self._metrics.notification_errors.labels(*where).inc(len(messages))
        is_worth_another = reply.is_worth_another()
        _log.error(
            "Alertmanager did not take alerts",
            tenant=self._tenant.value,
            alertmanager=mask_credentials(queue.url),
            alerts=len(messages),
            status=reply.status,
            err=reply.text,
            again=is_worth_another,
        )
        if not is_worth_another:
            self._metrics.notifications_dropped.labels(self._tenant.value).inc(len(messages))
            return 0.0
        # What has been queued meanwhile is newer.
        newer = queue.waiting
        queue.waiting = {**{labels: one for labels, one in batch if labels not in newer}, **newer}
        self._bound(queue)
        grown_s = min(PAUSE_MAX_S, PAUSE_MIN_S * 2.0 ** min(failures, 10))
        return max(reply.retry_after_s, grown_s * self._rng.uniform(0.5, 1.0))
