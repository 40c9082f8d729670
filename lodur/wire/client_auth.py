"""How a client of somebody else's HTTP server shows who it is, and how it checks the server: what it is told.

Secrets may lie in files, which are read again for each request, so that they can be changed while we run. What is done
with them is in `auth_flows`.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from lodur.model.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as text, or the file that holds it, read again for each request so that it can be changed."""

    text: str = ""
    file: Path | None = None

    def __repr__(self) -> str:
        return f"Secret(file={self.file})" if self.file else "Secret(<secret>)"

    def read(self) -> str:
        """The secret as it is now. Raises OSError for a file that cannot be read."""
        return self.text if self.file is None else self.file.read_text(encoding="utf-8").strip()


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


@dataclass(frozen=True, slots=True)
class Tls:
    """How an https server is checked, and what we show it."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str = ""
    insecure_skip_verify: bool = False


PLAIN_TLS = Tls()
"""The machine's authorities, and nothing to show."""


@dataclass(frozen=True, slots=True)
class OAuth2:
    """A token of OAuth 2.0 for the client itself (grant `client_credentials`), asked for at `token_url`."""

    client_id: str
    client_secret: Secret
    token_url: str = field(repr=False)
    """May hold credentials."""
    scopes: tuple[str, ...] = ()
    endpoint_params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls: Tls = PLAIN_TLS
    proxy_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SigV4:
    """Requests signed as AWS' services ask for."""

    region: str
    access_key: str
    secret_key: Secret
    session_token: Secret = Secret()
    service: str = "aps"


Auth: TypeAlias = BasicAuth | HeaderAuth | OAuth2 | SigV4


def tls_context(tls: Tls, *, failing: str) -> ssl.SSLContext:
    """What the options ask for. Raises InvalidRequest, which begins with `failing`, for files that cannot be used."""
    try:
        context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
        if tls.cert_file is not None:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidRequest(f"{failing}: {error}") from error
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
