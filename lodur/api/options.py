"""What the HTTP side must be told: where to listen, how long to wait, how much to read.

Values only; durations are seconds, 0 bytes means "no bound" only where it is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lodur.model.limits import MIB

LogLevel = Literal["debug", "info", "warn", "error"]
"""Least important events that are logged."""

LogFormat = Literal["logfmt", "json"]
"""How the server's own log is written."""


TlsVersion = Literal["tls1.2", "tls1.3"]
"""Oldest protocol that is spoken."""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Serve HTTPS with this certificate; one that a client presents must be of `client_ca_file` where it is given."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    client_cert_required: bool = False
    """Refuse clients without a certificate."""
    min_version: TlsVersion = "tls1.2"


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the HTTP server listens and what it accepts from the wire."""

    host: str = "127.0.0.1"
    port: int = 3100
    path_prefix: str = ""
    """Put before every path that is served; empty or `/x/y` without a slash at the end."""
    read_timeout_s: float = 30.0
    write_timeout_s: float = 30.0
    idle_timeout_s: float = 120.0
    graceful_shutdown_timeout_s: float = 30.0
    push_body_max_bytes: int = 100 * MIB
    """Largest body of a push as it comes over the wire."""
    push_decompressed_max_bytes: int = 500 * MIB
    """Largest body of a push after decompression."""
    query_body_max_bytes: int = 10 * MIB
    """Largest form body of a query."""
    compress_responses: bool = False
    log_level: LogLevel = "info"
    log_format: LogFormat = "logfmt"
    tls: TlsOptions | None = None
