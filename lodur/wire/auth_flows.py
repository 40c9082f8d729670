"""Authentication put on the requests of an HTTP client. Start at `auth_flow`; the options are in `client_auth`."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Generator
from typing import assert_never

import httpx

from lodur.model.clock import Clock
from lodur.wire.client_auth import Auth, BasicAuth, HeaderAuth, OAuth2, SigV4
from lodur.wire.oauth2 import TokenSource
from lodur.wire.sigv4 import SignedRequest, sign

_UNAUTHORIZED = 401


def auth_flow(auth: Auth, clock: Clock) -> httpx.Auth:
    """What puts `auth` on each request. Raises InvalidRequest for TLS files that cannot be used."""
    match auth:
        case BasicAuth() | HeaderAuth():
            return _HeaderFlow(auth)
        case OAuth2():
            return _TokenFlow(TokenSource(auth, clock))
        case SigV4():
            return _SigningFlow(auth, clock)
        case _:
            assert_never(auth)


class _HeaderFlow(httpx.Auth):
    """The `Authorization` header; a secret's file is read for each request."""

    def __init__(self, auth: BasicAuth | HeaderAuth) -> None:
        self._auth = auth

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = _header(self._auth)
        yield request


class _TokenFlow(httpx.Auth):
    """A token; one that the server does not take is replaced, and the request made once more."""

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        used = await self._tokens.token()
        request.headers["Authorization"] = used.header
        answer = yield request
        if answer.status_code == _UNAUTHORIZED:
            self._tokens.forget(used)
            request.headers["Authorization"] = (await self._tokens.token()).header
            yield request


class _SigningFlow(httpx.Auth):
    """A signature over the whole request, at the time of sending."""

    requires_request_body = True

    def __init__(self, auth: SigV4, clock: Clock) -> None:
        self._auth = auth
        self._clock = clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        whole = SignedRequest(request.method, path, query, tuple(request.headers.items()), request.content)
        request.headers.update(sign(whole, self._auth, self._clock.now_ns()))
        yield request


def _header(auth: BasicAuth | HeaderAuth) -> str:
    match auth:
        case BasicAuth(username, password):
            pair = f"{username}:{password.read()}".encode()
            return "Basic " + base64.b64encode(pair).decode("ascii")
        case HeaderAuth(scheme, credentials):
            return f"{scheme} {credentials.read()}"
        case _:
            assert_never(auth)
