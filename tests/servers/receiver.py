"""An HTTP server that keeps what is posted to it, and answers as a test says. Start at `Receiver`."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cramjam


@dataclass(frozen=True, slots=True)
class Posted:
    """A request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """Listens on loopback while it is entered; `statuses` are answered first, then 200."""

    statuses: list[int] = field(default_factory=list)
    port: int = 0
    posted: list[Posted] = field(default_factory=list)
    refused: list[Posted] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Receiver:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                kept = receiver.posted if status == 200 else receiver.refused
                kept.append(Posted(self.path, {name.lower(): text for name, text in self.headers.items()}, body))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"as the test says")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def samples(self) -> list[tuple[dict[str, str], int, float]]:
        """All samples that came by remote write, in order."""
        return [sample for posted in self.posted for sample in written_samples(snappy_plain(posted.body))]


def snappy_plain(body: bytes) -> bytes:
    return bytes(cramjam.snappy.decompress_raw(body))


def written_samples(request: bytes) -> Iterator[tuple[dict[str, str], int, float]]:
    """The labels, time and value of each sample of a `prometheus.WriteRequest`."""
    for number, series in _fields(request):
        assert number == 1
        labels: dict[str, str] = {}
        samples: list[tuple[int, float]] = []
        for part, body in _fields(series):
            if part == 1:
                name, value = (text.decode() for _, text in _fields(body))
                labels[name] = value
            else:
                assert body[:1] == b"\x09"
                assert body[9:10] == b"\x10"
                samples.append((_varint(body, 10)[0], struct.unpack("<d", body[1:9])[0]))
        for time_ms, number_ in samples:
            yield labels, time_ms, number_


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        assert key & 7 == 2
        length, at = _varint(message, at)
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
