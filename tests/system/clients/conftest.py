"""One server for all clients, with passwords and a tenant for each, and the clients' programs.

A client that is not there skips its tests, saying why; scripts/install_test_clients.py installs them.
"""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from passlib.hash import bcrypt

from lodur.model.clock import SystemClock
from scripts.debian_programs import CannotInstall, DebianProgram
from scripts.install_test_clients import debian_client, go_client, install_node_clients
from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.servers.raw_http import Answer, ask

USER, PASSWORD = "shipper", "pass of shipper"

CONFIG = """
auth_enabled: true
common: {path_prefix: data}
pattern_ingester: {enabled: true}
lodur:
  access:
    htpasswd_file: htpasswd
    users:
      shipper: {tenants: ["*"], rights: [read, write, admin]}
"""

ARRIVAL_S = 30.0
"""Deadline for what a client has sent to be found: clients send batches every second or so."""


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of one stream with all its labels, oldest first."""

    labels: dict[str, str]
    lines: list[str]


@dataclass(frozen=True)
class Tenant:
    """A tenant of the server: what a client needs to know of it, and what has arrived."""

    server: LodurServer
    name: str
    since_ns: int

    @property
    def account(self) -> str:
        return f"{USER}:{PASSWORD}"

    @property
    def headers(self) -> dict[str, str]:
        """What logs in as this tenant."""
        login = base64.b64encode(self.account.encode()).decode()
        return {"Authorization": f"Basic {login}", "X-Scope-OrgID": self.name}

    def get(self, path: str, **params: str) -> Answer:
        return ask(self.server.port, "GET", f"{path}?{urlencode(params)}", self.headers)

    def post(self, path: str, body: bytes, content_type: str) -> Answer:
        return ask(self.server.port, "POST", path, {**self.headers, "Content-Type": content_type}, body)

    def json(self, path: str, **params: str) -> Any:
        """The body of a successful answer."""
        answer = self.get(path, **params)
        assert answer.status == 200, answer.text
        return orjson.loads(answer.text)

    def entries(self, query: str) -> list[Entries]:
        """What the query finds since the test began, by lines."""
        span = {"start": str(self.since_ns), "end": str(self.since_ns + 600 * 10**9), "direction": "forward"}
        result = self.json("/loki/api/v1/query_range", query=query, limit="5000", **span)["data"]["result"]
        found = [Entries(each["stream"], [value[1] for value in each["values"]]) for each in result]
        return sorted(found, key=lambda each: each.lines)

    def wait_for(self, query: str, lines: int) -> list[Entries]:
        """What the query finds, when it is so many lines."""
        wait_until(
            lambda: sum(len(each.lines) for each in self.entries(query)) >= lines,
            deadline_s=ARRIVAL_S,
            what=f"the arrival of {lines} lines",
        )
        return self.entries(query)


@pytest.fixture(scope="session")
def client_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LodurServer]:
    directory = tmp_path_factory.mktemp("clients")
    (directory / "htpasswd").write_text(f"{USER}:{bcrypt.using(rounds=4).hash(PASSWORD)}\n")
    server = LodurServer(directory, config_text=CONFIG)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def tenant(client_server: LodurServer, request: pytest.FixtureRequest) -> Tenant:
    """A tenant that only this test uses."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return Tenant(client_server, name, SystemClock().now_ns() - 10**9)


@pytest.fixture(scope="session")
def node_clients() -> Path:
    try:
        return install_node_clients()
    except CannotInstall as error:
        pytest.skip(f"no clients of Node: {error}")


def go_program(name: str) -> Path:
    """The client's program, or the test is skipped."""
    return installed(partial(go_client, name))


def installed(client: Callable[[], Path]) -> Path:
    """What the function installs or finds, or the test is skipped."""
    try:
        return client()
    except CannotInstall as error:
        pytest.skip(str(error))


def debian_program(name: str) -> DebianProgram:
    """The program of Debian's package, or the test is skipped."""
    try:
        return debian_client(name)
    except CannotInstall as error:
        pytest.skip(f"no {name}: {error}")


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
