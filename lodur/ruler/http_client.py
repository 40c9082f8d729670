"""Requests to those who take alerts and samples: headers, authentication, TLS, and what an answer means."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Generator
from dataclasses import dataclass
from typing import assert_never

import httpx

from lodur.model.errors import InvalidRequest
from lodur.ruler.options import BasicAuth, HeaderAuth, HttpOptions, Secret, Tls

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


def build_client(options: HttpOptions, *, is_https: bool) -> httpx.AsyncClient:
    """A client with these options. Raises InvalidRequest for files that cannot be used."""
    try:
        return httpx.AsyncClient(
            auth=_FileAuth(options.auth) if options.auth is not None else None,
            headers=dict(options.headers),
            verify=_tls_context(options.tls) if is_https else True,
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


class _FileAuth(httpx.Auth):
    """Puts the `Authorization` header on; a secret's file is read for each request."""

    def __init__(self, auth: BasicAuth | HeaderAuth) -> None:
        self._auth = auth

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = _header(self._auth)
        yield request


def _header(auth: BasicAuth | HeaderAuth) -> str:
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
        raise InvalidRequest(f"TLS cannot be set up: {error}") from error
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
