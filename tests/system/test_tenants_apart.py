"""Tenants whose names are alike, or those of folders, see their own entries alone, and each has files of its own."""

from __future__ import annotations

from urllib.parse import urlencode

import orjson
import pyarrow.parquet as pq

from tests.conftest import StartLodur
from tests.push_bodies import json_push
from tests.servers.lodur import LodurServer
from tests.servers.raw_http import ask
from tests.system.pushing import DAY_NS

CONFIG = """\
auth_enabled: true
common: {path_prefix: data}
pattern_ingester: {enabled: true}
querier: {multi_tenant_queries_enabled: true}
"""

TENANTS = ("a", "A", "a-b", "a.b", "a'b", "wal", "segments", "fake", "(a)!*")


def own_value(tenant: str) -> str:
    return f"<{tenant}>"


def own_name(tenant: str) -> str:
    return f"name_{tenant.encode().hex()}_"


def push(server: LodurServer, tenant: str, number: int, now_ns: int) -> None:
    labels = {"app": "x", "own": own_value(tenant), own_name(tenant): "1"}
    body = json_push([(labels, [(now_ns + number, f"line {number} of {tenant}", {})])])
    headers = {"Content-Type": "application/json", "X-Scope-OrgID": tenant}
    assert ask(server.port, "POST", "/loki/api/v1/push", headers, body).status == 204


def answers(server: LodurServer, tenant: str, now_ns: int) -> list[str]:
    """What a tenant is told by every route that tells of entries."""
    span = {"start": str(now_ns - DAY_NS), "end": str(now_ns + DAY_NS)}
    every = '{app="x"}'
    asked = {
        "query_range": {"query": every},
        "query": {"query": f"sum by (own) (count_over_time({every}[1d]))", "time": str(now_ns + 10**9)},
        "labels": {},
        "label/own/values": {},
        "series": {"match[]": every},
        "index/stats": {"query": every},
        "index/volume": {"query": every, "targetLabels": "own"},
        "detected_labels": {"query": every},
        "patterns": {"query": every},
    }
    found = []
    for path, params in asked.items():
        target = f"/loki/api/v1/{path}?{urlencode({**span, **params})}"
        answer = ask(server.port, "GET", target, {"X-Scope-OrgID": tenant}, b"")
        assert answer.status == 200, (path, answer.text)
        found.append(answer.text)
    return found


def check(server: LodurServer, now_ns: int, pushes: int) -> None:
    for tenant in TENANTS:
        told = answers(server, tenant, now_ns)
        streams = orjson.loads(told[0])["data"]["result"]
        lines = sorted(value[1] for stream in streams for value in stream["values"])
        assert lines == sorted(f"line {number} of {tenant}" for number in range(pushes))
        assert orjson.loads(told[1])["data"]["result"][0]["value"][1] == str(pushes)
        assert orjson.loads(told[5])["streams"] == 1
        for other in TENANTS:
            names = {own_value(other), own_name(other)}
            assert other == tenant or not any(name in text for name in names for text in told)


def test_tenants_see_their_own_alone(lodur_server: StartLodur, now_ns: int) -> None:
    server = lodur_server(config_text=CONFIG)
    for number in range(3):
        for tenant in TENANTS:
            push(server, tenant, number, now_ns)
        if number == 1:
            check(server, now_ns, pushes=2)
        if number < 2:
            assert ask(server.port, "POST", "/flush", {"X-Scope-OrgID": "a"}, b"").status == 204
    check(server, now_ns, pushes=3)
    both = f"/loki/api/v1/query?{urlencode({'query': 'sum by (__tenant_id__) (count_over_time({app=~`.+`}[1d]))'})}"
    counted = orjson.loads(ask(server.port, "GET", both, {"X-Scope-OrgID": "a|a-b"}, b"").text)["data"]["result"]
    assert {series["metric"]["__tenant_id__"]: series["value"][1] for series in counted} == {"a": "3", "a-b": "3"}
    server.kill()
    for file in server.data.rglob("*.parquet"):
        owner = file.relative_to(server.data / "chunks").parts[0]
        lines = pq.read_table(file, columns=["line"]).column("line").to_pylist()
        assert lines
        assert all(str(line).endswith(f" of {owner}") for line in lines)
