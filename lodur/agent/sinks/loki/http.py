"""The HTTP client of one push endpoint: headers, authentication, TLS."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Generator
from typing import assert_never

import httpx

from lodur.agent.sinks.loki.options import Auth, BasicAuth, HeaderAuth, LokiOptions, Secret, Tls
from lodur.model.errors import InvalidRequest

OWN_HEADERS = frozenset({"content-type", "user-agent", "x-scope-orgid", "content-length", "host"})
"""Headers that `headers` of a client cannot replace."""


def build_http(options: LokiOptions, *, version: str) -> httpx.AsyncClient:
    """A client that speaks HTTP/1.1 to `options.url` only. Raises InvalidRequest for unusable addresses or files."""
    headers = {name: value for name, value in options.headers if name.lower() not in OWN_HEADERS}
    headers["Content-Type"] = "application/x-protobuf"
    headers["User-Agent"] = f"lodur-agent/{version}"
    if options.tenant_id:
        headers["X-Scope-OrgID"] = options.tenant_id
    try:
        httpx.URL(options.url)
        return httpx.AsyncClient(
            auth=_FileAuth(options.auth) if options.auth is not None else None,
            headers=headers,
            verify=_tls_context(options.tls) if options.url.startswith("https:") else True,
            proxy=options.proxy_url or None,
            follow_redirects=options.follow_redirects,
            timeout=options.timeout_s,
            trust_env=False,
        )
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidRequest(f"client {options.name}: its address or proxy_url cannot be used: {error}") from error


class _FileAuth(httpx.Auth):
    """Puts the `Authorization` header on; a secret's file is read for each request."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = _header(self._auth)
        yield request


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


def _tls_context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
        if tls.cert_file is not None:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidRequest(f"tls_config cannot be used: {error}") from error
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
