"""Small servers for tests, whose answers a function gives; HTTPS ones have an authority of their own."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import trustme

from tests.servers.http_handler import answering_handler

Answer = Callable[[str, str, dict[str, str], bytes], tuple[int, bytes]]
"""From method, path, headers (names in lower case) and body to status and body."""


class PlainServer:
    """An HTTP server on 127.0.0.1; to be used in a `with`."""

    def __init__(self, answer: Answer) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answer))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class TlsServer(PlainServer):
    """An HTTPS server on localhost. `ca_file` has the authority to trust."""

    def __init__(self, directory: Path, answer: Answer) -> None:
        super().__init__(answer)
        authority = trustme.CA()
        self.ca_file = directory / "authority.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_address[1]}"


def _handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    def with_headers(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        status, data = answer(method, path, headers, body)
        return status, {}, data

    return answering_handler(with_headers)
