"""Each route that the server has, however it came to be there: closed to strangers, old names as the new ones."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import orjson
import pytest
from passlib.hash import bcrypt

from lodur.model.clock import SystemClock
from tests.fuzz_routes.routes import KnownRoute, lodur_routes
from tests.push_bodies import json_push
from tests.servers.lodur import LodurServer
from tests.servers.raw_http import ask

CONFIG = """
auth_enabled: true
lodur:
  access:
    htpasswd_file: htpasswd
    users:
      nobody: {tenants: [a], rights: []}
      reader: {tenants: [a], rights: [read, write]}
"""

OPEN = {"/ready"}

ROUTES = [(route, method) for route in lodur_routes() for method in route.methods]

RINGS = (
    "/ring",
    "/distributor/ring",
    "/indexgateway/ring",
    "/compactor/ring",
    "/ruler/ring",
    "/scheduler/ring",
    "/pattern/ring",
)

LEGACY = {
    "/api/prom/label": "/loki/api/v1/labels",
    "/api/prom/label/app/values": "/loki/api/v1/label/app/values",
    "/api/prom/series": "/loki/api/v1/series",
    "/loki/api/v1/label": "/loki/api/v1/labels",
}
"""Old paths, and those that answer the same."""


def account(user: str) -> dict[str, str]:
    login = base64.b64encode(f"{user}:pass".encode()).decode()
    return {"Authorization": f"Basic {login}", "X-Scope-OrgID": "a"}


NOBODY, READER = account("nobody"), account("reader")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LodurServer]:
    directory = tmp_path_factory.mktemp("routes")
    hashed = bcrypt.using(rounds=4).hash("pass")
    (directory / "htpasswd").write_text(f"nobody:{hashed}\nreader:{hashed}\n")
    server = LodurServer(directory, config_text=CONFIG)
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize(("route", "method"), ROUTES, ids=lambda value: getattr(value, "path", value))
def test_no_route_is_open_to_strangers(server: LodurServer, route: KnownRoute, method: str) -> None:
    path = re.sub(r"\{[^}]*\}", "x", route.path)
    stranger = ask(server.port, method, path, {"X-Scope-OrgID": "a"})
    without_rights = ask(server.port, method, path, NOBODY)
    if route.path in OPEN:
        assert (stranger.status, without_rights.status) == (200, 200)
    else:
        assert (stranger.status, without_rights.status) == (401, 403)


@pytest.mark.parametrize("old", LEGACY)
def test_old_paths_answer_as_the_new_ones(server: LodurServer, old: str) -> None:
    body = json_push([({"app": "x"}, [(SystemClock().now_ns(), "line", {})])])
    pushed = ask(server.port, "POST", "/loki/api/v1/push", {**READER, "Content-Type": "application/json"}, body)
    assert pushed.status == 204
    answers = [ask(server.port, "GET", path, READER) for path in (old, LEGACY[old])]
    assert answers[0].text == answers[1].text
    assert orjson.loads(answers[0].text)["data"]


@pytest.mark.parametrize("path", RINGS)
def test_rings_have_one_member(server: LodurServer, path: str) -> None:
    page = ask(server.port, "GET", path, READER)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    ring = orjson.loads(ask(server.port, "GET", path, {**READER, "Accept": "application/json"}).text)
    assert [member["state"] for member in ring["shards"]] == ["ACTIVE"]


def test_for_processes_of_a_cluster(server: LodurServer) -> None:
    numbers = ask(server.port, "GET", "/loki/api/v1/cache/generation_numbers", READER)
    assert (numbers.status, numbers.text) == (200, '""')
    # Who may only read is not told whether there are partitions.
    assert ask(server.port, "GET", "/ingester/prepare_partition_downscale", READER).status == 403
