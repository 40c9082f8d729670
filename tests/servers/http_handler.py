"""What the tests' small HTTP servers share: every method is answered by `respond`, and nothing is printed."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler


class QuietHandler(BaseHTTPRequestHandler):
    """One connection, kept open between requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024

    def respond(self) -> None:
        """Answer the request that was read."""
        raise NotImplementedError

    def body(self) -> bytes:
        """The request's body; to be read once."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self) -> None:
        self.respond()

    def do_HEAD(self) -> None:
        self.respond()

    def do_PUT(self) -> None:
        self.respond()

    def do_POST(self) -> None:
        self.respond()

    def do_DELETE(self) -> None:
        self.respond()

    def log_message(self, *_: object) -> None:
        """Tests look at what was asked."""


FullAnswer = Callable[[str, str, dict[str, str], bytes], tuple[int, dict[str, str], bytes]]
"""From method, path, headers (names in lower case) and body to status, headers and body."""


def answering_handler(answer: FullAnswer) -> type[QuietHandler]:
    """A handler whose answers a function gives."""

    class Handler(QuietHandler):
        def respond(self) -> None:
            sent = {name.lower(): value for name, value in self.headers.items()}
            status, headers, data = answer(self.command, self.path, sent, self.body())
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else data)
            self.wfile.flush()

    return Handler
