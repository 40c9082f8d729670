"""Talk to a Loki-compatible server over HTTP/1.1.

The standard library's client is used on purpose: it is imported in a third of the time of a richer one, and a command
that prints thirty lines should not spend most of its time on importing. Start at `LokiClient.get`.
Paths and parameters: https://grafana.com/docs/loki/latest/reference/loki-http-api/.
"""

from __future__ import annotations

import base64
import http.client
import random
import ssl
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlencode

from lodur.cli.connection import Connection
from lodur.cli.tls import tls_context
from lodur.model.errors import (
    DeadlineExceeded,
    InvalidRequest,
    LimitExceeded,
    LodurError,
    NotFound,
    Unauthenticated,
    Unavailable,
)

QUERY_STRING_BYTES_MAX = 4096
"""Longer parameters travel in a form body: proxies commonly refuse request lines above 8 KiB."""

ANSWER_BYTES_MAX = 2**30
"""More than any page of entries; a server that sends more is not answering what was asked."""

ERROR_TEXT_CHARS_MAX = 4000
"""An error page of a proxy can be long; what matters stands at its beginning."""

TIMEOUT_S = 330.0
"""Above the five minutes that operators commonly give the longest queries."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

_GZIP_WINDOW = 31
"""For zlib: a gzip header, and the largest window there is."""

Params = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said, whatever its status."""

    status: int
    body: bytes
    retry_after_s: float | None
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in lower case."""

    @property
    def text(self) -> str:
        """The body as an error message."""
        return self.body.decode("utf-8", "replace").strip()[:ERROR_TEXT_CHARS_MAX]


class LokiClient:
    """One keep-alive connection to a server; not shared between threads."""

    def __init__(self, connection: Connection, *, timeout_s: float = TIMEOUT_S) -> None:
        self._connection = connection
        self._headers = request_headers(connection)
        self._root = connection.path_prefix
        self._rng = random.Random()
        self._http = self._opened(timeout_s)

    @property
    def url(self) -> str:
        """The server's address, for messages."""
        return self._connection.url

    def get(
        self, path: str, params: Params = (), headers: Mapping[str, str] = NO_HEADERS, *, retries: int = 0
    ) -> bytes:
        """Ask, and give the body of a 2xx answer; any other status is raised as the error that its receiver expects.

        What can pass is asked again, as often as the connection's options say, or `retries` where that is more.
        """
        transport = self._connection.transport
        for attempt in range(max(retries, transport.retries)):
            try:
                return self._get(path, params, headers)
            except (Unavailable, LimitExceeded, DeadlineExceeded) as error:
                wait_s = min(transport.first_wait_s * 2.0**attempt, transport.longest_wait_s)
                asked_s = error.retry_after_s if isinstance(error, Unavailable) else None
                time.sleep(max(wait_s * self._rng.uniform(0.5, 1.0), min(asked_s or 0.0, transport.longest_wait_s)))
        return self._get(path, params, headers)

    def _get(self, path: str, params: Params, headers: Mapping[str, str]) -> bytes:
        encoded = urlencode(params, errors="surrogateescape")
        if len(encoded) > QUERY_STRING_BYTES_MAX:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._send("POST", path, encoded.encode(), {**form, **headers})
        else:
            answer = self._send("GET", f"{path}?{encoded}" if encoded else path, None, dict(headers))
        if 200 <= answer.status < 300:
            return answer.body
        raise refusal(self._connection, answer)

    def post(self, path: str, body: bytes, *, content_type: str, content_encoding: str = "") -> Answer:
        """Send a body and give the answer whatever its status; raises Unavailable where there is none."""
        headers = {"Content-Type": content_type}
        if content_encoding:
            headers["Content-Encoding"] = content_encoding
        return self._send("POST", path, body, headers)

    def send(self, method: str, path: str, params: Params) -> Answer:
        """Have something changed by parameters of the URL; any answer but 2xx is raised as by `get`."""
        answer = self._send(method, f"{path}?{urlencode(params, errors='surrogateescape')}", None, {})
        if 200 <= answer.status < 300:
            return answer
        raise refusal(self._connection, answer)

    def delete(self, path: str) -> Answer:
        """Delete what is at the path and give the answer as `post` does."""
        return self._send("DELETE", path, None, {})

    def ask(self, path: str) -> Answer:
        """Ask without parameters and give the answer as `post` does."""
        return self._send("GET", path, None, {})

    def close(self) -> None:
        self._http.close()

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        try:
            return self._exchange(method, path, body, headers)
        except (ConnectionResetError, BrokenPipeError):
            self._http.close()
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        # The server closed a connection that was kept alive; a new one decides whether it is there.
        try:
            return self._exchange(method, path, body, headers)
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        self._http.request(method, self._root + path, body=body, headers=self._headers | headers)
        response = self._http.getresponse()
        content = response.read(ANSWER_BYTES_MAX + 1)
        if response.headers.get("Content-Encoding") == "gzip":
            content = _unzipped(content)
        if len(content) > ANSWER_BYTES_MAX:
            raise http.client.HTTPException(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, content, _seconds(response.headers.get("Retry-After")), headers)

    def _opened(self, timeout_s: float) -> http.client.HTTPConnection:
        """The connection, which is made when it is first used."""
        server, proxy = self._connection, self._connection.transport.proxy
        host, port = (proxy.host, proxy.port) if proxy else (server.host, server.port)
        if not server.tls:
            if proxy:
                # A proxy is told where a plain request goes by its address, and so may be asked for a password.
                self._root = server.url
                self._headers = self._headers | proxy.headers
            return http.client.HTTPConnection(host, port, timeout=timeout_s)
        opened = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=tls_context(server.client_tls))
        if proxy:
            opened.set_tunnel(server.host, server.port, proxy.headers)
        return opened

    def _unreachable(self, error: Exception) -> Unavailable:
        self._http.close()
        url = self._connection.url
        match error:
            case ConnectionRefusedError():
                what = f"connection refused: is `lodur serve` running at {url}?"
            case ssl.SSLCertVerificationError():
                what = f"{error.verify_message}: --ca-cert names a file of the authorities that sign for the server"
            case TimeoutError():
                what = "no answer in time"
            case _:
                what = str(error) or type(error).__name__
        return Unavailable(f"cannot reach {url}: {what}; --addr or LODUR_ADDR names another server")


_NO_SUCH_REQUEST = "could not find delete request"
"""In Loki's words: a 404 that tells of no wrong address."""


def refusal(connection: Connection, answer: Answer) -> LodurError:
    """The error that stands for an answer other than 2xx."""
    said = answer.text or "no reason given"
    message = f"{connection.url} answered {answer.status}: {said}"
    match answer.status:
        case 401 | 403:
            return Unauthenticated(f"{message}; name a tenant with --org-id, or credentials with --username/--password")
        case 404 if _NO_SUCH_REQUEST in said:
            return NotFound(message)
        case 404:
            return NotFound(f"{message}; is this the address of a Loki-compatible server?")
        case 429:
            return LimitExceeded(message, limit="", retryable=True)
        case 504:
            return DeadlineExceeded(message)
        case status if status >= 500:
            return Unavailable(message, retry_after_s=answer.retry_after_s or 1.0)
        case _:
            return InvalidRequest(message)


def request_headers(connection: Connection) -> dict[str, str]:
    """The headers of every request: who asks, and for whom."""
    headers = {"User-Agent": "lodur-cli", "Accept": "application/json"}
    transport = connection.transport
    if connection.org_id:
        headers["X-Scope-OrgID"] = connection.org_id
    if connection.bearer_token:
        headers[transport.auth_header] = f"Bearer {connection.bearer_token}"
    elif connection.username:
        pair = f"{connection.username}:{connection.password or ''}".encode()
        headers[transport.auth_header] = f"Basic {base64.b64encode(pair).decode()}"
    if transport.compress:
        headers["Accept-Encoding"] = "gzip"
    headers.update(transport.headers)
    if transport.query_tags:
        headers["X-Query-Tags"] = transport.query_tags
    if transport.no_cache:
        headers["Cache-Control"] = "no-cache"
    return headers


def _unzipped(content: bytes) -> bytes:
    """The answer itself; of one that is too long, a byte more than is allowed."""
    try:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(content, ANSWER_BYTES_MAX + 1)
    except zlib.error as error:
        raise http.client.HTTPException(f"the answer is not the gzip that it says to be: {error}") from error


def _seconds(text: str | None) -> float | None:
    """`Retry-After` in its form of seconds; the form of a date is not used by any Loki-compatible server."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
