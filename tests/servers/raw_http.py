"""HTTP as bytes on a socket: for requests that no client library would send. Start at `exchange`."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import cast

ANSWER_S = 30.0
"""Deadline for an answer: far beyond any that the tests accept, so that a hang is told from slowness."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the text is empty where the server only closed the connection (status 0)."""

    status: int
    text: str
    headers: Mapping[str, str]


CLOSED = Answer(0, "", {})
"""The server closed the connection without a word."""


class _Received:
    """Bytes that look like a socket to `http.client`."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object, **__: object) -> BytesIO:
        return BytesIO(self._data)


def request_bytes(
    method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """A request whose connection is closed after the answer."""
    lines = [f"{method} {target} HTTP/1.1", "Host: test", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def exchange(port: int, sent: bytes, *, half_close: bool = False, deadline_s: float = ANSWER_S) -> Answer:
    """Send bytes and read until the server closes; `half_close` ends the sending side first, as `nc` does."""
    with socket.create_connection(("127.0.0.1", port), timeout=deadline_s) as connection:
        # A server that has heard enough may close before it has read all.
        with contextlib.suppress(OSError):
            connection.sendall(sent)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        return parse_answer(_read_all(connection), method=sent.partition(b" ")[0].decode("latin-1"))


def ask(
    port: int, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Answer:
    """One whole request and its answer."""
    return exchange(port, request_bytes(method, target, headers, body))


def parse_answer(received: bytes, *, method: str = "GET") -> Answer:
    """The first answer in what a server sent. HTTPException where it is not whole."""
    if not received:
        return CLOSED
    # `HTTPResponse` reads from whatever has `makefile`.
    response = http.client.HTTPResponse(cast("socket.socket", _Received(received)), method=method)
    response.begin()
    text = response.read().decode("utf-8", "replace")
    return Answer(response.status, text, {name.lower(): value for name, value in response.getheaders()})


def _read_all(connection: socket.socket) -> bytes:
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            received += part
    return bytes(received)
