"""How a fuzzed request goes over the wire: as it should be, or with a body that its head does not announce so.

Start at `sent`.
"""

from __future__ import annotations

import http.client
import socket

from tests.fuzz_routes.requests import Framing, FuzzedRequest
from tests.servers.raw_http import CLOSED, Answer, exchange, request_bytes

HANDSHAKE_S = 20.0
HEAD_MAX_BYTES = 1 << 20
MORE_BYTES = 1000


def sent(port: int, request: FuzzedRequest) -> Answer:
    """The answer to a request; of a WebSocket that is opened, status 101 alone."""
    headers, body = dict(request.headers), request.body
    match request.framing:
        case Framing.WHOLE:
            return exchange(port, request_bytes(request.method, request.target(), headers, body))
        case Framing.CUT_OFF:
            return exchange(port, _announcing(request, len(body or b"") + MORE_BYTES), half_close=True)
        case Framing.TOO_MUCH:
            return exchange(port, _announcing(request, len(body or b"") // 2))
        case Framing.CHUNKED:
            head = request_bytes(request.method, request.target(), {**headers, "Transfer-Encoding": "chunked"})
            return exchange(port, head + _chunks(body or b""))
        case Framing.BROKEN_CHUNKS:
            head = request_bytes(request.method, request.target(), {**headers, "Transfer-Encoding": "chunked"})
            return exchange(port, head + b"zz\r\n" + (body or b"") + b"\r\n", half_close=True)
        case Framing.HANDSHAKE:
            return _handshake(port, request)


def may_be_closed(framing: Framing) -> bool:
    """Whether the server may end the connection without a word."""
    return framing not in (Framing.WHOLE, Framing.CHUNKED, Framing.HANDSHAKE)


def _announcing(request: FuzzedRequest, size_bytes: int) -> bytes:
    headers = {**dict(request.headers), "Content-Length": str(size_bytes)}
    return request_bytes(request.method, request.target(), headers) + (request.body or b"")


def _chunks(body: bytes) -> bytes:
    middle = len(body) // 2
    parts = [part for part in (body[:middle], body[middle:]) if part]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _handshake(port: int, request: FuzzedRequest) -> Answer:
    lines = [f"{request.method} {request.target()} HTTP/1.1", "Host: test"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    with socket.create_connection(("127.0.0.1", port), timeout=HANDSHAKE_S) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        received = bytearray()
        while b"\r\n\r\n" not in received and len(received) < HEAD_MAX_BYTES:
            part = connection.recv(65_536)
            if not part:
                break
            received += part
    if not received:
        return CLOSED
    words = bytes(received).split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise http.client.BadStatusLine(bytes(received[:100]).decode("latin-1"))
    return Answer(int(words[1]), "", {})
