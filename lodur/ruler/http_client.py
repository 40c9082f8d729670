"""Requests to those who take alerts and samples: headers, authentication, TLS, and what an answer means."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx

from lodur.model.clock import Clock
from lodur.model.errors import InvalidRequest
from lodur.ruler.options import HttpOptions
from lodur.wire.auth_flows import auth_flow
from lodur.wire.client_auth import tls_context

ANSWER_CHARS_MAX = 300
"""How much of a refusal is logged."""

NO_ANSWER = 0
"""Stands for a status where there was no answer."""

_TOO_MANY_REQUESTS = 429
_RETRY_AFTER_MAX_S = 300.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a request."""

    status: int
    text: str = ""
    retry_after_s: float = 0.0

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300

    def is_worth_another(self, *, retry_rate_limited: bool = True) -> bool:
        """The same request may succeed later."""
        if self.status == _TOO_MANY_REQUESTS:
            return retry_rate_limited
        return self.status >= 500 or self.status == NO_ANSWER


def build_client(options: HttpOptions, clock: Clock, *, is_https: bool) -> httpx.AsyncClient:
    """A client with these options. Raises InvalidRequest for files that cannot be used."""
    try:
        return httpx.AsyncClient(
            auth=auth_flow(options.auth, clock) if options.auth is not None else None,
            headers=dict(options.headers),
            verify=tls_context(options.tls, failing="TLS cannot be set up") if is_https else True,
            proxy=options.proxy_url or None,
            follow_redirects=options.follow_redirects,
            timeout=options.timeout_s,
            trust_env=False,
        )
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidRequest(f"proxy_url cannot be used: {error}") from error


async def post(http: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str], options: HttpOptions) -> Reply:
    """Send a body and wait for the answer no longer than the options say."""
    extensions = {"sni_hostname": options.tls.server_name} if options.tls.server_name else {}
    try:
        async with asyncio.timeout(options.timeout_s):
            answer = await http.post(url, content=body, headers=headers, extensions=extensions)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
        return Reply(NO_ANSWER, f"{type(error).__name__}: {error}".rstrip(": "))
    retry_after = answer.headers.get("Retry-After", "")
    wait_s = float(retry_after[:9]) if retry_after.isascii() and retry_after.isdigit() else 0.0
    return Reply(answer.status_code, answer.text[:ANSWER_CHARS_MAX].strip(), min(wait_s, _RETRY_AFTER_MAX_S))


def mask_credentials(url: str) -> str:
    """The URL as it may be shown."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
