"""A receiver that speaks the push protocol as far as an agent does, and an agent as a process of its own."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DEADLINE_S = 30.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look until `condition` holds; fail after a while."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain for: {what}"
        threading.Event().wait(0.02)


class Receiver:
    """Accepts pushes and keeps their lines by stream; answers with another status while told to."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}
        self.statuses: list[int] = []
        self.refused = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/loki/api/v1/push"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def counts(self) -> Counter[str]:
        """How often each line has arrived."""
        with self._lock:
            return Counter(line for lines in self.lines.values() for line in lines)

    def has_all(self, lines: list[str]) -> bool:
        return not set(lines) - self.counts().keys()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver._take(body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def handle(self) -> None:
                # The agent may be killed at any moment of a request.
                with contextlib.suppress(ConnectionError):
                    super().handle()

            def log_message(self, *_: object) -> None:
                return

        return Handler

    def _take(self, body: bytes) -> int:
        with self._lock:
            if self.statuses:
                self.refused += 1
                return self.statuses.pop(0)
            for labels, lines in decode_push(unsnap(body)):
                self.lines.setdefault(labels, []).extend(lines)
            return 204


def unsnap(data: bytes) -> bytes:
    """The plain bytes of a snappy block."""
    size, at = varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag, kind = data[at], data[at] & 3
        at += 1
        if kind == 0:
            length = (tag >> 2) + 1
            if length > 60:
                extra = length - 60
                length = int.from_bytes(data[at : at + extra], "little") + 1
                at += extra
            out += data[at : at + length]
            at += length
            continue
        if kind == 1:
            length, offset, step = ((tag >> 2) & 7) + 4, (tag >> 5) << 8 | data[at], 1
        else:
            step = 2 if kind == 2 else 4
            length, offset = (tag >> 2) + 1, int.from_bytes(data[at : at + step], "little")
        at += step
        for _ in range(length):
            out.append(out[-offset])
    assert len(out) == size
    return bytes(out)


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            _, at = varint(data, at)
            continue
        assert key & 7 == 2
        length, at = varint(data, at)
        yield key >> 3, data[at : at + length]
        at += length


def decode_push(data: bytes) -> Iterator[tuple[str, list[str]]]:
    for _, stream in fields(data):
        labels, lines = "", []
        for number, value in fields(stream):
            if number == 1:
                labels = value.decode()
            else:
                lines.append(dict(fields(value)).get(2, b"").decode())
        yield labels, lines


class AgentProcess:
    """`lodur agent` with a file of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.positions = directory / "positions.yaml"
        self.log = directory / "agent.out"

    def start(self, config: str) -> None:
        file = self._directory / "promtail.yaml"
        head = f"positions: {{filename: {self.positions}, sync_period: 200ms}}\ntarget_config: {{sync_period: 300ms}}\n"
        file.write_text(head + config)
        code = "import sys; from lodur.app.agent import run; sys.exit(run(sys.argv[1:]))"
        with self.log.open("ab") as out:
            self._process = subprocess.Popen([sys.executable, "-c", code, f"-config.file={file}"], stderr=out)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        return self._end(signal.SIGTERM)

    def wait(self) -> int:
        """The exit code of an agent that ends by itself."""
        assert self._process is not None
        return self._process.wait(DEADLINE_S)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(DEADLINE_S)
        self._process = None
        return code

    def close(self) -> None:
        if self._process is not None:
            self.kill()


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
