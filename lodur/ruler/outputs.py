"""Where the results of a tenant's rules go: its Alertmanagers, and its receivers of samples.

They are made when something is to be sent, and made anew when what the tenant may use has changed. Start at `Outputs`.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import httpx
import structlog

from lodur.model.clock import Clock
from lodur.model.errors import LodurError
from lodur.model.label_set import LabelSet
from lodur.model.tenant import TenantId
from lodur.ruler.alerts import Alert
from lodur.ruler.discovery import Discovery, DnsResolver, Resolver
from lodur.ruler.groups import AlertingRule, RuleGroup
from lodur.ruler.http_client import build_client
from lodur.ruler.notifier import Notifier
from lodur.ruler.options import AlertmanagerOptions, HttpOptions, RemoteWriteClient, RulerLimitsOf, RulerOptions
from lodur.ruler.relabel import relabelled
from lodur.ruler.remote_write import RemoteWriteQueue
from lodur.store.journal import Journal, Wal, WalOptions
from lodur.telemetry.ruler_metrics import RulerMetrics
from lodur.wire.alertmanager import AlertMessage, explore_url
from lodur.wire.remote_write import Sample

WAL_FILE_BYTES = 2**20
"""Files of a client's WAL: they are trimmed as a whole."""

LIFETIMES = 4
"""An alert that is heard of no more is taken for resolved after so many turns or resends, whichever are longer."""

DRAIN_S = 3.0
"""When the process ends, what waits has so long to be sent. The WAL keeps samples; alerts are told again later."""

OpenJournal: TypeAlias = Callable[[Path], Journal]
"""The WAL in a directory. Raises LodurError."""

_FILE_NAME = re.compile(r"[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,99}")
_log = structlog.get_logger(__name__)


def open_wal(directory: Path) -> Journal:
    """The WAL in a directory of the disk."""
    return Wal.open(WalOptions(directory, max_file_bytes=WAL_FILE_BYTES))


@dataclass(slots=True)
class _Tenant:
    """What is open for a tenant."""

    notifier: Notifier | None = None
    queues: dict[str, RemoteWriteQueue] = field(default_factory=dict)
    guard: asyncio.Lock = field(default_factory=asyncio.Lock)


class Outputs:
    """The outputs of all tenants. Belongs to the event loop."""

    def __init__(
        self,
        options: RulerOptions,
        limits_of: RulerLimitsOf,
        *,
        user_agent: str,
        clock: Clock,
        rng: random.Random,
        metrics: RulerMetrics,
        open_journal: OpenJournal = open_wal,
        resolver: Resolver | None = None,
        drain_s: float = DRAIN_S,
    ) -> None:
        self._options = options
        self._limits_of = limits_of
        self._user_agent = user_agent
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._open_journal = open_journal
        self._resolver = resolver or DnsResolver()
        self._drain_s = drain_s
        self._tenants: dict[TenantId, _Tenant] = {}

    async def start(self) -> None:
        """Send on what WALs of before still hold."""
        for tenant in await asyncio.to_thread(self._tenants_with_wal):
            try:
                await self.record(tenant, ())
            except (LodurError, OSError) as error:
                _log.error("samples of before cannot be sent", tenant=tenant.value, err=str(error))

    async def tell(self, group: RuleGroup, told: Iterable[tuple[AlertingRule, Alert]]) -> None:
        """Send alerts of a group to the tenant's Alertmanagers."""
        messages = [
            message for rule, alert in told if (message := alert_message(self._options, group, rule, alert)) is not None
        ]
        if not messages:
            return
        tenant = group.id.tenant
        known = self._tenants.setdefault(tenant, _Tenant())
        wanted = self._limits_of(tenant).alertmanager or self._options.alertmanager
        async with known.guard:
            if known.notifier is not None and known.notifier.options != wanted:
                await known.notifier.close(self._drain_s)
                known.notifier = None
            if known.notifier is None and wanted.urls:
                known.notifier = await self._notifier(tenant, wanted)
            if known.notifier is not None:
                known.notifier.tell(messages)

    async def record(self, tenant: TenantId, samples: Sequence[Sample]) -> None:
        """Send samples to the tenant's receivers."""
        known = self._tenants.setdefault(tenant, _Tenant())
        wanted = clients_of(self._options, self._limits_of, tenant)
        async with known.guard:
            for name, queue in list(known.queues.items()):
                if wanted.get(name) != queue.client:
                    del known.queues[name]
                    await queue.close(self._drain_s)
            for name, client in wanted.items():
                if name not in known.queues:
                    known.queues[name] = await self._queue(tenant, client)
            if samples and wanted:
                self._metrics.samples_appended.labels(tenant.value).inc(len(samples))
                for queue in known.queues.values():
                    await queue.append(samples)

    async def close(self) -> None:
        """Let what waits be sent for a moment, then stop."""
        tenants = list(self._tenants.values())
        self._tenants.clear()
        closing = [known.notifier.close(self._drain_s) for known in tenants if known.notifier is not None]
        closing += [queue.close(self._drain_s) for known in tenants for queue in known.queues.values()]
        await asyncio.gather(*closing)

    async def _notifier(self, tenant: TenantId, options: AlertmanagerOptions) -> Notifier:
        http = await _client(options.http, options.urls, self._clock)
        notifier = Notifier(
            tenant,
            options,
            http,
            discovery=Discovery(options.urls, self._resolver) if options.discovers else None,
            user_agent=self._user_agent,
            clock=self._clock,
            rng=self._rng,
            metrics=self._metrics,
        )
        await notifier.start()
        return notifier

    async def _queue(self, tenant: TenantId, client: RemoteWriteClient) -> RemoteWriteQueue:
        headers = {"User-Agent": self._user_agent}
        if self._options.add_org_id_header:
            headers["X-Scope-OrgID"] = tenant.value
        directory = self._options.wal.directory / tenant.value / directory_name(client.name)
        http = await _client(client.http, (client.url,), self._clock)
        try:
            journal = await asyncio.to_thread(self._open_journal, directory)
        except (LodurError, OSError):
            await http.aclose()
            raise
        return RemoteWriteQueue(
            tenant,
            client,
            journal,
            http,
            headers=headers,
            age_max_ns=self._options.wal.age_max_ns,
            clock=self._clock,
            rng=self._rng,
            metrics=self._metrics,
        )

    def _tenants_with_wal(self) -> list[TenantId]:
        directory = self._options.wal.directory
        found: list[TenantId] = []
        if self._options.remote_write_enabled and directory.is_dir():
            for entry in sorted(directory.iterdir()):
                try:
                    found.append(TenantId(entry.name))
                except LodurError:
                    _log.warning("folder of the rules' WAL is no tenant's, left alone", folder=str(entry))
        return found


async def _client(options: HttpOptions, urls: Sequence[str], clock: Clock) -> httpx.AsyncClient:
    """An HTTP client; reading the authorities that are trusted takes some ten milliseconds."""
    is_https = any(url.startswith("https:") for url in urls)
    return await asyncio.to_thread(build_client, options, clock, is_https=is_https)


def clients_of(options: RulerOptions, limits_of: RulerLimitsOf, tenant: TenantId) -> dict[str, RemoteWriteClient]:
    """Where a tenant's samples go, by name."""
    limits = limits_of(tenant)
    if not options.remote_write_enabled or limits.remote_write_disabled:
        return {}
    by_name = {client.name: client for client in options.remote_write}
    for client in limits.remote_write:
        base = by_name.get(client.name)
        by_name[client.name] = client if base is None else client.over(base)
    return {name: client for name, client in by_name.items() if client.url}


def directory_name(client: str) -> str:
    """The folder of a client's WAL."""
    if _FILE_NAME.fullmatch(client):
        return client
    return hashlib.sha256(client.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def alert_message(options: RulerOptions, group: RuleGroup, rule: AlertingRule, alert: Alert) -> AlertMessage | None:
    """What an Alertmanager is told of an alert; None where relabelling drops it."""
    labels: LabelSet | None = LabelSet.of({**dict(options.external_labels.pairs), **dict(alert.labels.pairs)})
    if options.alert_relabel and labels is not None:
        labels = relabelled(labels, options.alert_relabel)
    if labels is None:
        return None
    lifetime_ns = LIFETIMES * max(group.interval_ns, options.resend_delay_ns)
    return AlertMessage(
        labels,
        alert.annotations,
        alert.fired_at_ns,
        alert.resolved_at_ns or alert.sent_at_ns + lifetime_ns,
        explore_url(options.external_url, options.datasource_uid, rule.expr),
    )
