"""What the ruler must be told.

Values only; durations are nanoseconds or seconds, as their names say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, TypeAlias

from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE
from lodur.model.label_set import LabelSet
from lodur.model.tenant import TenantId
from lodur.wire.client_auth import PLAIN_TLS, Auth, Tls


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How requests to one server are made."""

    timeout_s: float = 30.0
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    auth: Auth | None = None
    tls: Tls = PLAIN_TLS
    proxy_url: str = field(default="", repr=False)
    follow_redirects: bool = True


RelabelAction = Literal[
    "replace",
    "keep",
    "drop",
    "keepequal",
    "dropequal",
    "hashmod",
    "labelmap",
    "labeldrop",
    "labelkeep",
    "lowercase",
    "uppercase",
]


@dataclass(frozen=True, slots=True)
class RelabelRule:
    """One entry of Prometheus' `relabel_configs`."""

    action: RelabelAction = "replace"
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = "(.*)"
    modulus: int = 0
    target_label: str = ""
    replacement: str = "$1"


@dataclass(frozen=True, slots=True)
class RemoteWriteClient:
    """Where samples are sent."""

    name: str
    url: str = field(repr=False)
    """May hold credentials."""
    http: HttpOptions = HttpOptions()
    relabel: tuple[RelabelRule, ...] = ()
    samples_per_send_max: int = 2000
    batch_wait_s: float = 5.0
    """How long samples may wait for others before they are sent."""
    backoff_min_s: float = 0.03
    backoff_max_s: float = 5.0
    retry_rate_limited: bool = True
    """Try again after 429."""
    given: frozenset[str] = field(default=frozenset(), compare=False)
    """Names of the fields, also of `http`, that somebody has set."""

    def over(self, base: RemoteWriteClient) -> RemoteWriteClient:
        """This client where it says something, `base` where it does not."""
        names = {one.name for one in fields(HttpOptions)}
        http = replace(base.http, **{name: getattr(self.http, name) for name in self.given & names})
        own = {one.name for one in fields(RemoteWriteClient)} - {"name", "http", "given"}
        return replace(base, http=http, **{name: getattr(self, name) for name in self.given & own})


@dataclass(frozen=True, slots=True)
class AlertmanagerOptions:
    """Where alerts are sent: to all of these."""

    urls: tuple[str, ...] = field(default=(), repr=False)
    http: HttpOptions = HttpOptions(timeout_s=10.0)
    queue_alerts_max: int = 10_000
    """Alerts that wait for one Alertmanager; then the oldest are dropped."""
    discovers: bool = False
    """The hosts of the addresses are names of services, whose SRV records name the Alertmanagers."""
    refresh_s: float = 60.0
    """How often they are looked up again."""


@dataclass(frozen=True, slots=True)
class RulerLimits:
    """How a tenant's rules are evaluated, and where their results go; how many there may be is in `Limits.rules`."""

    evaluation_delay_ns: int = 0
    """Rules are evaluated for a time so long ago: what comes late is counted all the same."""
    remote_write_disabled: bool = False
    remote_write: tuple[RemoteWriteClient, ...] = ()
    """The tenant's own clients; what one does not say is as in the ruler's of the same name."""
    alertmanager: AlertmanagerOptions | None = None
    """The tenant's own Alertmanagers instead of the ruler's."""


RulerLimitsOf: TypeAlias = Callable[[TenantId], RulerLimits]
"""The limits of a tenant, as they are now."""


@dataclass(frozen=True, slots=True)
class RulerWalOptions:
    """Where samples are kept until they are sent."""

    directory: Path = Path("ruler-wal")
    age_max_ns: int = 4 * NS_PER_HOUR
    """Older samples are dropped: who takes them would refuse them."""


@dataclass(frozen=True, slots=True)
class RulerOptions:
    """How rules are kept, evaluated and told of."""

    enable_api: bool = True
    local_directory: Path | None = None
    """Rule files instead of rules in the object store."""
    evaluation_interval_ns: int = NS_PER_MINUTE
    poll_interval_ns: int = NS_PER_MINUTE
    concurrent_groups: int = 2
    """Groups that are evaluated at the same time."""
    external_url: str = ""
    external_labels: LabelSet = field(default_factory=LabelSet)
    datasource_uid: str = ""
    alert_relabel: tuple[RelabelRule, ...] = ()
    alertmanager: AlertmanagerOptions = AlertmanagerOptions()
    resend_delay_ns: int = NS_PER_MINUTE
    outage_tolerance_ns: int = NS_PER_HOUR
    """After a longer pause alerts begin anew."""
    grace_period_ns: int = 10 * NS_PER_MINUTE
    """After a pause, alerts that were pending fire at the earliest then."""
    enabled_tenants: frozenset[str] = frozenset()
    """Evaluate the rules of these only, where there are any."""
    disabled_tenants: frozenset[str] = frozenset()
    remote_write_enabled: bool = False
    remote_write: tuple[RemoteWriteClient, ...] = ()
    add_org_id_header: bool = True
    """Name the tenant to the receiver of samples in X-Scope-OrgID."""
    wal: RulerWalOptions = RulerWalOptions()
    group_label: bool = True
    """Metrics of rules name their group."""

    def evaluates(self, tenant: TenantId) -> bool:
        """Whether the rules of a tenant are evaluated."""
        is_chosen = not self.enabled_tenants or tenant.value in self.enabled_tenants
        return is_chosen and tenant.value not in self.disabled_tenants
