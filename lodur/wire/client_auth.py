"""How a client of somebody else's HTTP server shows who it is, and how it checks the server.

Secrets may lie in files, which are read again for each request, so that they can be changed while we run.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, assert_never

import httpx

from lodur.model.errors import InvalidRequest


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


Auth: TypeAlias = BasicAuth | HeaderAuth


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


class FileAuth(httpx.Auth):
    """Puts the `Authorization` header on; a secret's file is read for each request."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = _header(self._auth)
        yield request


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


def _header(auth: Auth) -> str:
    match auth:
        case BasicAuth(username, password):
            pair = f"{username}:{_read(password)}".encode()
            return "Basic " + base64.b64encode(pair).decode("ascii")
        case HeaderAuth(scheme, credentials):
            return f"{scheme} {_read(credentials)}"
        case _:
            assert_never(auth)


def _read(secret: Secret) -> str:
    return secret.text if secret.file is None else secret.file.read_text(encoding="utf-8").strip()
