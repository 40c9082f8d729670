"""The requests of Grafana's data source and of Logs Drilldown, as they send them, and what they read of the answers."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from websockets.sync.client import connect

from tests.push_bodies import json_push
from tests.servers.raw_http import Answer, ask
from tests.system.clients.conftest import Tenant

MINUTE_NS = 60 * 10**9

LINES: tuple[tuple[str, dict[str, str]], ...] = (
    ("level=info n=1 took=5ms", {"trace_id": "t1"}),
    ('{"level":"error","n":2,"user":{"id":"ann"}}', {"trace_id": "t2"}),
    ("level=info n=3 took=7ms", {}),
)


@pytest.fixture
def filled(tenant: Tenant) -> Tenant:
    entries = [(tenant.since_ns + at, line, metadata) for at, (line, metadata) in enumerate(LINES)]
    body = json_push([({"app": "cart", "env": "prod"}, entries), ({"app": "pay"}, entries[:1])])
    assert tenant.post("/loki/api/v1/push", body, "application/json").status == 204
    return tenant


def grafana(tenant: Tenant, path: str, source: str = "", **params: str) -> Answer:
    """A request of the data source, through Grafana's proxy."""
    headers = {
        **tenant.headers,
        "X-Loki-Response-Encoding-Flags": "categorize-labels",
        "X-Query-Tags": f"Source={source}" if source else "",
        "User-Agent": "Grafana/12.1.0",
        "Accept": "application/json, text/plain, */*",
        "Accept-Encoding": "gzip",
    }
    encoded = "&".join(f"{name}={quote(value, safe='')}" for name, value in params.items())
    return ask(tenant.server.port, "GET", f"/loki/api/v1/{path}?{encoded}", headers)


def data(answer: Answer) -> Any:
    assert answer.status == 200, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    return orjson.loads(answer.text)


def span(tenant: Tenant) -> dict[str, str]:
    return {"start": str(tenant.since_ns - MINUTE_NS), "end": str(tenant.since_ns + MINUTE_NS)}


def test_save_and_test(tenant: Tenant) -> None:
    """A tenant without any data is healthy."""
    sent = {"query": "vector(1)+vector(1)", "time": "4000000000", "direction": "backward"}
    answer = data(grafana(tenant, "query", **sent))
    assert answer["data"]["resultType"] == "vector"
    assert answer["data"]["result"] == [{"metric": {}, "value": [4000000000, "2"]}]


def test_errors_are_shown_as_they_are(filled: Tenant) -> None:
    answer = grafana(filled, "query_range", query='{app="cart"', **span(filled))
    assert (answer.status, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert answer.text.startswith("parse error at line 1, col 12: syntax error: unexpected $end")


def test_label_browser(filled: Tenant) -> None:
    assert data(grafana(filled, "labels", **span(filled)))["data"] == ["app", "env", "service_name"]
    assert data(grafana(filled, "labels", query='{app="pay"}', **span(filled)))["data"] == ["app", "service_name"]
    values = grafana(filled, "label/app/values", query='{env="prod"}', **span(filled))
    assert data(values)["data"] == ["cart"]
    series = data(grafana(filled, "series", **{"match[]": '{app="cart"}'}, **span(filled)))["data"]
    assert series == [{"app": "cart", "env": "prod", "service_name": "cart"}]
    size = data(grafana(filled, "index/stats", query='{app="cart"}', **span(filled)))
    assert (size["streams"], size["entries"]) == (1, 3)
    assert set(size) == {"streams", "chunks", "bytes", "entries"}


def test_explore(filled: Tenant) -> None:
    query = '{app="cart"} |= "" | logfmt | json'
    answer = data(
        grafana(filled, "query_range", "datasample", query=query, limit="1000", step="1000ms", **span(filled))
    )
    assert answer["data"]["encodingFlags"] == ["categorize-labels"]
    (stream,) = answer["data"]["result"]
    assert stream["stream"] == {"app": "cart", "env": "prod", "service_name": "cart"}
    newest, middle, oldest = stream["values"]
    assert newest[2]["parsed"]["took"] == "7ms"
    assert middle[2]["parsed"]["user_id"] == "ann"
    assert oldest[:2] == [str(filled.since_ns), LINES[0][0]]
    assert oldest[2]["structuredMetadata"] == {"detected_level": "info", "trace_id": "t1"}
    assert answer["data"]["stats"]["summary"]["totalLinesProcessed"] >= 3


def test_volume_histogram(filled: Tenant) -> None:
    query = 'sum by (level, detected_level) (count_over_time({app="cart"} | drop __error__[1s]))'
    answer = data(grafana(filled, "query_range", "logvolhist", query=query, step="1000ms", **span(filled)))
    assert answer["data"]["resultType"] == "matrix"
    counts = {
        each["metric"]["detected_level"]: sum(int(value) for _, value in each["values"])
        for each in answer["data"]["result"]
    }
    assert counts == {"info": 2, "error": 1}


def test_log_context(filled: Tenant) -> None:
    """Rows around one: those before it by its time as the end, those from it on by its time as the start."""
    row_ns = filled.since_ns + 1
    query = '{app="cart",env="prod",service_name="cart"}'
    two_hours_ns = 120 * MINUTE_NS
    before = {"start": str(row_ns - two_hours_ns), "end": str(row_ns), "direction": "backward", "limit": "50"}
    after = {"start": str(row_ns), "end": str(row_ns + two_hours_ns), "direction": "forward", "limit": "50"}
    shown = [data(grafana(filled, "query_range", query=query, **each))["data"]["result"] for each in (before, after)]
    assert [[value[1] for value in each[0]["values"]] for each in shown] == [
        [LINES[0][0]],
        [LINES[1][0], LINES[2][0]],
    ]


def test_live_tail(filled: Tenant) -> None:
    login = base64.b64encode(filled.account.encode()).decode()
    headers = {"Authorization": f"Basic {login}", "X-Scope-OrgID": filled.name}
    query = quote('{app="cart"}')
    address = f"ws://127.0.0.1:{filled.server.port}/loki/api/v1/tail?query={query}"
    with connect(address, additional_headers=headers) as socket:
        lines: list[str] = []
        while len(lines) < len(LINES):
            frame = orjson.loads(socket.recv(timeout=20))
            lines += [value[1] for stream in frame["streams"] for value in stream["values"]]
    assert lines == [line for line, _ in LINES]


def test_drilldown(filled: Tenant) -> None:
    source = "grafana-lokiexplore-app"
    limits = data(grafana(filled, "drilldown-limits", source))
    assert limits["limits"]["volume_enabled"] is True
    assert limits["pattern_ingester_enabled"] is True
    every = {"query": '{service_name=~".+"}', "targetLabels": "service_name", "limit": "5000"}
    volume = data(grafana(filled, "index/volume", source, **every, **span(filled)))["data"]
    assert volume["resultType"] == "vector"
    assert [each["metric"] for each in volume["result"]] == [{"service_name": "cart"}, {"service_name": "pay"}]
    over_time = data(grafana(filled, "index/volume_range", source, **every, step="60", **span(filled)))["data"]
    assert {each["metric"]["service_name"] for each in over_time["result"]} == {"cart", "pay"}
    query = '{service_name="cart"}'
    labels = data(grafana(filled, "detected_labels", source, query=query, **span(filled)))["detectedLabels"]
    assert {each["label"] for each in labels} >= {"app", "env"}
    fields = data(grafana(filled, "detected_fields", source, query=query, limit="1000", **span(filled)))["fields"]
    parsers = {each["label"]: (each["type"], each["parsers"]) for each in fields}
    assert parsers["took"] == ("duration", ["logfmt"])
    assert parsers["trace_id"] == ("string", None)
    assert next(each["jsonPath"] for each in fields if each["label"] == "user_id") == ["user", "id"]
    panel = f'sum(count_over_time({query} | detected_level != "" | json | user_id != "" [1m])) by (user_id)'
    shown = data(grafana(filled, "query_range", source, query=panel, step="60000ms", **span(filled)))["data"]["result"]
    assert {each["metric"]["user_id"] for each in shown} == {"ann"}
    found = data(grafana(filled, "patterns", source, query=query, step="60s", **span(filled)))
    assert found["status"] == "success"
    assert isinstance(found["data"], list)


def test_build_information(tenant: Tenant) -> None:
    assert data(grafana(tenant, "status/buildinfo"))["version"].startswith("3.")
