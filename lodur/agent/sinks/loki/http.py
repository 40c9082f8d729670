"""The HTTP client of one push endpoint: headers, authentication, TLS."""

from __future__ import annotations

import ssl

import httpx

from lodur.agent.sinks.loki.options import LokiOptions
from lodur.model.clock import Clock
from lodur.model.errors import InvalidRequest
from lodur.wire.auth_flows import auth_flow
from lodur.wire.client_auth import tls_context

OWN_HEADERS = frozenset({"content-type", "user-agent", "x-scope-orgid", "content-length", "host"})
"""Headers that `headers` of a client cannot replace."""


def build_http(options: LokiOptions, clock: Clock, *, version: str) -> httpx.AsyncClient:
    """A client that speaks HTTP/1.1 to `options.url` only. Raises InvalidRequest for unusable addresses or files."""
    headers = {name: value for name, value in options.headers if name.lower() not in OWN_HEADERS}
    headers["Content-Type"] = "application/x-protobuf"
    headers["User-Agent"] = f"lodur-agent/{version}"
    if options.tenant_id:
        headers["X-Scope-OrgID"] = options.tenant_id
    try:
        httpx.URL(options.url)
        return httpx.AsyncClient(
            auth=auth_flow(options.auth, clock) if options.auth is not None else None,
            headers=headers,
            verify=_verification(options),
            proxy=options.proxy_url or None,
            follow_redirects=options.follow_redirects,
            timeout=options.timeout_s,
            trust_env=False,
        )
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidRequest(f"client {options.name}: its address or proxy_url cannot be used: {error}") from error


def _verification(options: LokiOptions) -> ssl.SSLContext | bool:
    is_https = options.url.startswith("https:")
    return tls_context(options.tls, failing="tls_config cannot be used") if is_https else True
