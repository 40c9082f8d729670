"""What a client of the push endpoint is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lodur.agent.delivery import Labels


@dataclass(frozen=True, slots=True)
class Backoff:
    """When a failed request is tried again."""

    min_period_s: float = 0.5
    max_period_s: float = 300.0
    max_tries: int = 10
    """Requests for one batch, the first included; 0 tries for ever."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as text, or the file that holds it, read again for each request so that it can be changed."""

    text: str = ""
    file: Path | None = None

    def __repr__(self) -> str:
        return f"Secret(file={self.file})" if self.file else "Secret(<secret>)"


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """`Authorization: Basic`."""

    username: str
    password: Secret


@dataclass(frozen=True, slots=True)
class HeaderAuth:
    """`Authorization: <scheme> <credentials>`."""

    scheme: str
    credentials: Secret


Auth = BasicAuth | HeaderAuth


@dataclass(frozen=True, slots=True)
class Tls:
    """How an https server is checked, and what we show it."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str = ""
    insecure_skip_verify: bool = False


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
    tls: Tls = Tls()
