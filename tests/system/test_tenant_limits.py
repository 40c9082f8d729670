"""Limits by tenant in a running server: files that change, and what each tenant may do meanwhile."""

from __future__ import annotations

import orjson
import pytest

from tests.conftest import StartLodur
from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.system.conftest import Connect
from tests.system.pushing import Client, config_text

DEADLINE_S = 20.0

CONFIG = (
    config_text().replace("auth_enabled: false", "auth_enabled: true")
    + "runtime_config: {file: overrides.yaml, period: 50ms}\n"
    + "querier: {multi_tenant_queries_enabled: true, per_request_limits_enabled: true}\n"
)


def push(client: Client, tenant: str, now_ns: int, lines: list[str]) -> str:
    values = [[str(now_ns + at), line] for at, line in enumerate(lines)]
    body = orjson.dumps({"streams": [{"stream": {"app": "x"}, "values": values}]})
    headers = {"Content-Type": "application/json", "X-Scope-OrgID": tenant}
    return client.request("POST", "/loki/api/v1/push", body, headers).decode()


def ask(client: Client, tenant: str, path: str, limits: str = "") -> str:
    headers = {"X-Scope-OrgID": tenant, **({"X-Loki-Query-Limits": limits} if limits else {})}
    return client.request("GET", path, headers=headers).decode()


def overrides(server: LodurServer, text: str) -> None:
    (server.directory / "overrides.yaml").write_text(text)


@pytest.fixture
def server(lodur_server: StartLodur) -> LodurServer:
    server = lodur_server(config_text=CONFIG, start=False)
    overrides(server, "overrides: {small: {max_line_size: 5, max_query_length: 10s}}\n")
    server.start()
    return server


def test_limits_are_each_tenants_own_and_follow_the_file(server: LodurServer, connect: Connect, now_ns: int) -> None:
    client = connect(server)
    assert push(client, "large", now_ns, ["a long line"]) == ""
    assert "max entry size '5' bytes exceeded for stream" in push(client, "small", now_ns, ["a long line", "short"])
    assert client.status == 400
    query = f"/loki/api/v1/query_range?query={{app%3D%22x%22}}&start={now_ns - 60 * 10**9}&end={now_ns + 10**9}"
    assert "a long line" in ask(client, "large", query)
    too_long = "the query time range exceeds the limit (query length: 1m1s, limit: 10s)"
    assert (ask(client, "small", query), client.status) == (too_long, 400)
    # A request may ask for less than its tenant.
    own = "the query time range exceeds the limit (query length: 1m1s, limit: 20s)"
    assert ask(client, "large", query, '{"maxQueryLength":"20s"}') == own
    assert ask(client, "small", query, '{"maxQueryLength":"1h"}') == too_long
    # Several tenants together may do what each of them may.
    assert ask(client, "large|small", query) == too_long
    assert "max_query_length: 10s" in ask(client, "any", "/runtime_config?mode=diff")

    overrides(server, "overrides: {small: {max_line_size: 50}}\n")
    wait_until(
        lambda: not push(client, "small", now_ns, ["a long line"]), deadline_s=DEADLINE_S, what="the change of a limit"
    )
    assert "a long line" in ask(client, "large|small", query)
    drilldown = orjson.loads(ask(client, "small", "/loki/api/v1/drilldown-limits"))
    assert drilldown["limits"]["max_query_length"] == "30d1h"


def test_a_broken_file_changes_nothing_while_the_server_runs_and_stops_its_start(
    server: LodurServer, connect: Connect, now_ns: int
) -> None:
    client = connect(server)
    overrides(server, "overrides:\n  small:\n    max_line_size: five\n")
    failure = "\nloki_runtime_config_last_reload_successful 0.0"
    wait_until(lambda: failure in ask(client, "x", "/metrics"), deadline_s=DEADLINE_S, what="a failed reload")
    assert "max entry size '5' bytes exceeded" in push(client, "small", now_ns, ["a long line"])
    assert "overrides.yaml: yaml: unmarshal errors:" in server.log()
    assert server.terminate() == 0
    server.process.start()
    assert server.process.wait_exit(deadline_s=DEADLINE_S) == 1
    assert "line 3: cannot unmarshal !!str `five` into flagext.ByteSize" in server.log()
