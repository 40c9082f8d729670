"""An HTTP proxy before an S3 server: counts requests and bytes, refuses what a policy does not allow, delays reads.

Requests keep their Host header, so that signatures hold. Start at `StoreProxy`.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.servers.http_handler import QuietHandler

REFUSAL = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
)

HOP_HEADERS = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})

TIMEOUT_S = 60.0


def iam_action(method: str, target: str) -> str:
    """The permission that Amazon asks for a request to a bucket named in the path."""
    url = urlsplit(target)
    query = parse_qs(url.query, keep_blank_values=True)
    is_object = len(url.path.strip("/").split("/", 1)) == 2
    if not is_object:
        return _bucket_action(method, query)
    match method:
        case "GET" | "HEAD" if not query:
            return "s3:GetObject"
        case "PUT" if not query or {"partNumber", "uploadId"} == set(query):
            return "s3:PutObject"
        case "POST" if "uploads" in query or "uploadId" in query:
            return "s3:PutObject"
        case "DELETE" if "uploadId" in query:
            return "s3:AbortMultipartUpload"
        case "DELETE" if not query:
            return "s3:DeleteObject"
    return f"{method} object {sorted(query)}"


def _bucket_action(method: str, query: dict[str, list[str]]) -> str:
    if method == "HEAD" or (method == "GET" and ("list-type" in query or "prefix" in query)):
        return "s3:ListBucket"
    if method == "POST" and "delete" in query:
        return "s3:DeleteObject"
    return f"{method} bucket {sorted(query)}"


class StoreProxy:
    """A proxy before `upstream` (http://host:port), on a port of its own; to be used in a `with`."""

    def __init__(self, upstream: str, *, allowed: Iterable[str] | None = None) -> None:
        self.allowed = None if allowed is None else frozenset(allowed)
        self.requests: Counter[str] = Counter()
        """By IAM action."""
        self.refused: list[str] = []
        self.answer_bytes: Counter[str] = Counter()
        """Of bodies, by IAM action."""
        self.before: Callable[[str, str], None] = lambda action, target: None
        """Called before a request is passed on; may wait."""
        self.headers: list[tuple[str, dict[str, str]]] = []
        """Of requests that were passed on, with their action; names in lower case."""
        self.failures: list[int] = []
        """Statuses that the next requests are answered with instead."""
        self._upstream = urlsplit(upstream).netloc
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """Count from zero."""
        with self._lock:
            self.requests.clear()
            self.answer_bytes.clear()
            self.refused.clear()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(QuietHandler):
            def setup(self) -> None:
                super().setup()
                self.upstream = http.client.HTTPConnection(proxy._upstream, timeout=TIMEOUT_S)

            def finish(self) -> None:
                self.upstream.close()
                super().finish()

            def respond(self) -> None:
                body = self.body()
                action = iam_action(self.command, self.path)
                if not proxy._admits(action, f"{self.command} {self.path}"):
                    self.answer(403, [("Content-Type", "application/xml")], REFUSAL)
                    return
                with proxy._lock:
                    proxy.headers.append((action, {name.lower(): value for name, value in self.headers.items()}))
                    failure = proxy.failures.pop(0) if proxy.failures else 0
                if failure:
                    self.answer(failure, [], b"")
                    return
                proxy.before(action, self.path)
                self.upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    self.upstream.putheader(name, value)
                self.upstream.endheaders(body)
                answer = self.upstream.getresponse()
                data = answer.read()
                with proxy._lock:
                    proxy.answer_bytes[action] += len(data)
                kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_HEADERS]
                self.answer(answer.status, kept, data, answer.getheader("Content-Length"))

            def answer(
                self, status: int, headers: list[tuple[str, str]], data: bytes, length: str | None = None
            ) -> None:
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                # The answer to HEAD names the length of a body that does not follow.
                self.send_header("Content-Length", (length if self.command == "HEAD" else None) or str(len(data)))
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else data)
                self.wfile.flush()

        return Handler

    def _admits(self, action: str, what: str) -> bool:
        with self._lock:
            self.requests[action] += 1
            is_allowed = self.allowed is None or action in self.allowed
            if not is_allowed:
                self.refused.append(f"{action}: {what}")
        return is_allowed
