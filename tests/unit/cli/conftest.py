"""The fake server, and `lodur` run against it or against none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from tests.unit.cli.fake_loki import Cli, FakeLoki, handler_of


@pytest.fixture
def loki() -> Iterator[FakeLoki]:
    fake = FakeLoki()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(fake))
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cli(loki: FakeLoki) -> Cli:
    return Cli(loki.url)


@pytest.fixture
def offline() -> Cli:
    """Commands whose server is not there: port 1 of this machine is not listened on."""
    return Cli("http://127.0.0.1:1")
