"""Tokens of OAuth 2.0 for a client that speaks for itself: asked for, kept until they end, asked for again.

Follows RFC 6749, section 4.4. The client shows its id and secret by basic authentication, and in the body where the
server does not take that. Start at `TokenSource`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import httpx
import msgspec

from lodur.model.clock import Clock
from lodur.wire.client_auth import OAuth2, tls_context

ANSWER_BYTES_MAX = 2**20
"""How much of an answer is read; tokens have some kilobytes."""

EARLY_S = 10.0
"""A token is replaced so long before its end: what is sent with it must still arrive in time."""

TIMEOUT_S = 30.0
"""For one answer; the request that needs the token has its own, often shorter deadline."""

REASON_CHARS_MAX = 200
"""How much of a refusal is told."""


class NoToken(httpx.HTTPError):
    """The server of tokens gave none; the message says why. To be tried again like a request without an answer."""


@dataclass(frozen=True, slots=True)
class Token:
    """What goes into `Authorization`, and until when."""

    header: str = field(repr=False)
    ends_at_s: float | None
    """By the monotonic clock; None where the server names no end."""


class _Answer(msgspec.Struct):
    access_token: str = ""
    token_type: str = ""
    expires_in: float | str | None = None
    error: str = ""
    error_description: str = ""


class TokenSource:
    """The token of one client. Belongs to an event loop. Raises InvalidRequest for TLS files that cannot be used."""

    def __init__(self, options: OAuth2, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        is_https = options.token_url.startswith("https:")
        self._verify = tls_context(options.tls, failing="TLS of oauth2 cannot be set up") if is_https else True
        self._token: Token | None = None
        self._asking = asyncio.Lock()
        self._secret_in_body = False

    async def token(self) -> Token:
        """A token that has not ended. Raises NoToken, httpx.HTTPError, OSError."""
        async with self._asking:
            if self._token is None or self._has_ended(self._token):
                self._token = await self._ask()
            return self._token

    def forget(self, token: Token) -> None:
        """The token is not taken, whatever its end: another is asked for."""
        if self._token is token:
            self._token = None

    def _has_ended(self, token: Token) -> bool:
        return token.ends_at_s is not None and self._clock.monotonic_s() >= token.ends_at_s - EARLY_S

    async def _ask(self) -> Token:
        options = self._options
        extensions = {"sni_hostname": options.tls.server_name} if options.tls.server_name else {}
        async with httpx.AsyncClient(
            verify=self._verify, proxy=options.proxy_url or None, timeout=TIMEOUT_S, trust_env=False
        ) as http:
            status, body = await self._post(http, extensions)
            if 400 <= status < 500:
                # Servers differ in where they look for the secret, and in the status of not finding it.
                self._secret_in_body = not self._secret_in_body
                other = await self._post(http, extensions)
                if other[0] == httpx.codes.OK:
                    status, body = other
                else:
                    self._secret_in_body = not self._secret_in_body
        return self._understand(status, body)

    async def _post(self, http: httpx.AsyncClient, extensions: dict[str, str]) -> tuple[int, bytes]:
        options, secret = self._options, self._options.client_secret.read()
        form = {"grant_type": "client_credentials", **dict(options.endpoint_params)}
        if options.scopes:
            form["scope"] = " ".join(options.scopes)
        account: httpx.BasicAuth | None = None
        if self._secret_in_body:
            form |= {"client_id": options.client_id, "client_secret": secret}
        else:
            account = httpx.BasicAuth(quote_plus(options.client_id), quote_plus(secret))
        headers = {"Accept": "application/json"}
        async with http.stream(
            "POST", options.token_url, data=form, headers=headers, auth=account, extensions=extensions
        ) as answer:
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > ANSWER_BYTES_MAX:
                    raise NoToken(f"the answer of oauth2's token_url has more than {ANSWER_BYTES_MAX} bytes")
            return answer.status_code, bytes(body)

    def _understand(self, status: int, body: bytes) -> Token:
        try:
            answer = msgspec.json.decode(body, type=_Answer)
            lasts_s = None if answer.expires_in in (None, "", 0) else float(answer.expires_in or 0)
        except (msgspec.DecodeError, ValueError):
            answer, lasts_s = _Answer(), None
        if status != httpx.codes.OK or not answer.access_token:
            why = ": ".join(filter(None, (answer.error, answer.error_description))) or "no access_token in the answer"
            raise NoToken(f"oauth2's token_url gave no token (status {status}): {why[:REASON_CHARS_MAX]}")
        kind = answer.token_type or "Bearer"
        scheme = "Bearer" if kind.lower() == "bearer" else kind
        header = f"{scheme} {answer.access_token}"
        if not (header.isascii() and header.isprintable()):
            raise NoToken("oauth2's token_url gave a token with characters that a header cannot carry")
        return Token(header, None if lasts_s is None else self._clock.monotonic_s() + lasts_s)
