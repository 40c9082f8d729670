"""What a client of the push endpoint is told."""

from __future__ import annotations

from dataclasses import dataclass

from lodur.agent.delivery import Labels
from lodur.wire.client_auth import PLAIN_TLS, Auth, Tls


@dataclass(frozen=True, slots=True)
class Backoff:
    """When a failed request is tried again."""

    min_period_s: float = 0.5
    max_period_s: float = 300.0
    max_tries: int = 10
    """Requests for one batch, the first included; 0 tries for ever."""


@dataclass(frozen=True, slots=True)
class LokiOptions:
    """One entry of `clients`."""

    name: str
    url: str
    batch_wait_s: float = 1.0
    batch_bytes: int = 2**20
    """Raw bytes of a batch: lines, before encoding."""
    timeout_s: float = 10.0
    backoff: Backoff = Backoff()
    tenant_id: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    external_labels: Labels = ()
    drop_rate_limited: bool = False
    """Give up a batch at 429 instead of waiting."""
    auth: Auth | None = None
    proxy_url: str = ""
    follow_redirects: bool = True
    tls: Tls = PLAIN_TLS
