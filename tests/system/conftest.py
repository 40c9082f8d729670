"""What the system tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest

from lodur.model.clock import SystemClock
from tests.servers.lodur import LodurServer
from tests.system.pushing import Client, first_push_ns


class Connect(Protocol):
    """A client of a server; its connection is closed after the test."""

    def __call__(self, server: LodurServer) -> Client: ...


@pytest.fixture
def now_ns() -> int:
    """Now, or so little before that pushes which begin then are of two days."""
    return first_push_ns(SystemClock().now_ns())


@pytest.fixture
def connect() -> Iterator[Connect]:
    clients: list[Client] = []

    def connected(server: LodurServer) -> Client:
        clients.append(Client(server.port))
        return clients[-1]

    yield connected
    for client in clients:
        client.close()
