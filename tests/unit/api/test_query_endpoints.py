"""The query endpoints as clients see them: bodies, statuses, headers, and clients that go away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from lodur.api import (
    loki_detected,
    loki_legacy,
    loki_limits,
    loki_metadata,
    loki_patterns,
    loki_query,
    loki_status,
    loki_volume,
)
from lodur.api.errors import CLIENT_GONE_TEXT
from lodur.api.tenant import Tenancy
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_S
from lodur.model.limits import Limits, QueryLimits
from lodur.query.catalog import Catalog
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.telemetry.query_metrics import QueryMetrics
from tests.memory_store import DAY_NS, MemoryStore

T0_S = 1_700_000_100
HEADERS = {"X-Scope-OrgID": "t"}
BODY_MAX_BYTES = 4096


def application(store: MemoryStore, *, patterns: bool = True) -> Starlette:
    clock = ManualClock((T0_S + 60) * NS_PER_S)
    tenancy = Tenancy(auth_enabled=True, multi_tenant_queries=True)
    engine = Engine(store, QuerierOptions(threads=1), clock, lambda _: QueryLimits())
    catalog = Catalog(store, clock, lambda _: QueryLimits(), engine.workplace)
    state = loki_status.ServerState(lambda: None, lambda mode: f"# {mode}\n", lambda _: None, lambda: ("all",))
    return Starlette(
        routes=[
            *loki_query.routes(
                engine, tenancy, clock, QueryMetrics(CollectorRegistry()), body_max_bytes=BODY_MAX_BYTES
            ),
            *loki_legacy.routes(engine, tenancy, clock, body_max_bytes=BODY_MAX_BYTES),
            *loki_metadata.routes(catalog, tenancy, clock, body_max_bytes=BODY_MAX_BYTES),
            *loki_detected.routes(engine, catalog, tenancy, clock, body_max_bytes=BODY_MAX_BYTES),
            *loki_patterns.routes(engine, tenancy, clock, enabled=patterns, body_max_bytes=BODY_MAX_BYTES),
            *loki_volume.routes(catalog, tenancy, clock, body_max_bytes=BODY_MAX_BYTES),
            *loki_limits.routes(
                loki_limits.TenantFacts(lambda _: Limits(), lambda tenant: f"# {tenant}\n", lambda _: 7 * DAY_NS, True)
            ),
            *loki_status.routes(state, CollectorRegistry()),
        ]
    )


class Client:
    """Asks an application in this process; `headers` go with every request."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self.headers = dict(HEADERS)

    def get(self, path: str, params: Mapping[str, str], headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self._ask("GET", path, params=params, headers=headers or {})

    def post(self, path: str, data: Mapping[str, str], params: Mapping[str, str]) -> httpx.Response:
        return self._ask("POST", path, params=params, data=data)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://lodur") as client:
                return await client.request(
                    method, path, params=params, data=data, headers={**self.headers, **(headers or {})}
                )

        return asyncio.run(ask())


@pytest.fixture
def client() -> Client:
    store = MemoryStore()
    store.add_head("t", {"app=x,env=prod": [(T0_S * NS_PER_S + k, f"level=info n={k}") for k in range(3)]})
    store.add_head("u", {"app=y": [(T0_S * NS_PER_S, "line")]})
    return Client(application(store))


def get(client: Client, path: str, status: int = 200, /, **params: str) -> Any:
    answer = client.get(f"/loki/api/v1/{path}", params=params)
    assert answer.status_code == status, answer.text
    return answer.json() if status == 200 else answer.text


def test_grafanas_health_check(client: Client) -> None:
    data = get(client, "query", query="vector(1)+vector(1)", time="4000000000", direction="backward")["data"]
    assert data["resultType"] == "vector"
    assert data["result"] == [{"metric": {}, "value": [4000000000, "2"]}]
    assert data["stats"]["summary"]["execTime"] >= 0


def test_streams(client: Client) -> None:
    body = get(client, "query_range", query='{app="x"}', limit="2", start=str(T0_S))
    assert body["status"] == "success"
    assert body["data"]["resultType"] == "streams"
    assert "encodingFlags" not in body["data"]
    assert body["data"]["result"] == [
        {
            "stream": {"app": "x", "env": "prod"},
            "values": [[f"{T0_S}000000002", "level=info n=2"], [f"{T0_S}000000001", "level=info n=1"]],
        }
    ]


def test_the_legacy_endpoint_gives_labels_and_times_as_text(client: Client) -> None:
    params = {"query": '{app="x"} # all', "regexp": "n=[12]", "limit": "1", "start": str(T0_S)}
    body = client.get("/api/prom/query", params).json()
    labels = '{app="x", env="prod"}'
    assert body["streams"] == [
        {"labels": labels, "entries": [{"ts": "2023-11-14T22:15:00.000000002Z", "line": "level=info n=2"}]}
    ]
    assert body["stats"]["summary"]["totalEntriesReturned"] == 1
    client.headers["X-Scope-OrgID"] = "t|u"
    several = client.get("/api/prom/query", {"query": '{app=~".+"}', "start": str(T0_S)}).json()["streams"]
    assert [(one["labels"], len(one["entries"])) for one in several] == [
        ('{__tenant_id__="t", app="x", env="prod"}', 3),
        ('{__tenant_id__="u", app="y"}', 1),
    ]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"query": 'rate({app="x"}[1m])'}, "legacy endpoints only support streams result type"),
        ({"query": '{app="x"}', "regexp": "("}, "error parsing regexp: missing closing )"),
        ({"query": '{app="x"}', "limit": "0"}, "limit must be a positive value"),
    ],
)
def test_refusals_of_the_legacy_endpoint(client: Client, params: dict[str, str], text: str) -> None:
    answer = client.get("/api/prom/query", params)
    assert answer.status_code == 400
    assert text in answer.text


def test_metadata_is_also_where_it_was(client: Client) -> None:
    span = {"start": str(T0_S), "end": str(T0_S + 60)}
    for path, params in (("label", {}), ("label/app/values", {}), ("series", {"match": '{app="x"}'})):
        old = client.get(f"/api/prom/{path}", {**span, **params})
        assert old.status_code == 200
        assert old.json() == get(client, path, **span, **params)
        assert old.json()["data"]


def test_categorised_labels(client: Client) -> None:
    flags = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
    params = {"query": '{app="x"} | logfmt', "limit": "1", "start": str(T0_S)}
    data = client.get("/loki/api/v1/query_range", params=params, headers=flags).json()["data"]
    assert data["encodingFlags"] == ["categorize-labels"]
    assert data["result"][0]["stream"] == {"app": "x", "env": "prod"}
    assert data["result"][0]["values"][0][2] == {"parsed": {"level": "info", "n": "2"}}


def test_matrix(client: Client) -> None:
    params = {"query": 'sum(count_over_time({app="x"}[1m]))', "start": str(T0_S), "end": str(T0_S + 60), "step": "30"}
    data = get(client, "query_range", **params)["data"]
    assert data["resultType"] == "matrix"
    assert data["result"] == [{"metric": {}, "values": [[T0_S, "1"], [T0_S + 30, "3"], [T0_S + 60, "2"]]}]


def test_parquet_is_not_answered(client: Client) -> None:
    for path in ("query", "query_range"):
        headers = {"Accept": "application/vnd.apache.parquet"}
        answer = client.get(f"/loki/api/v1/{path}", {"query": "vector(1)"}, headers)
        assert answer.status_code == 400
        assert answer.text.startswith("support for Parquet encoded responses is disabled.")


@pytest.mark.parametrize("path", ["query", "query_range"])
def test_too_many_series_are_a_part_and_a_warning_for_drilldown(path: str) -> None:
    store = MemoryStore()
    store.add_head("t", {f"app=x,n={k}": [(T0_S * NS_PER_S, "line")] for k in range(510)})
    client = Client(application(store))
    params = {"query": 'count_over_time({app="x"}[1m])', "time": str(T0_S), "start": str(T0_S), "end": str(T0_S)}
    assert "maximum number of series (500) reached" in get(client, path, 400, **params)
    for query in (params["query"], f"{params['query']} * 2"):
        asked = {**params, "query": query}
        answer = client.get(f"/loki/api/v1/{path}", asked, {"X-Query-Tags": "Source=grafana-lokiexplore-app"})
        body = answer.json()
        assert len(body["data"]["result"]) == 500
        assert body["warnings"] == [
            "maximum number of series (500) reached for a single query; returning partial results"
        ]
    few = client.get(f"/loki/api/v1/{path}", {**params, "query": "vector(1)"}, {"X-Query-Tags": "a=b"}).json()
    assert "warnings" not in few


def test_a_form_is_as_good_as_the_url(client: Client) -> None:
    form = {"query": 'count_over_time({app="x"}[5m])'}
    answer = client.post("/loki/api/v1/query", data=form, params={"time": f"{T0_S + 60}.5"})
    assert answer.json()["data"]["result"] == [{"metric": {"app": "x", "env": "prod"}, "value": [T0_S + 60.5, "3"]}]
    assert client.post("/loki/api/v1/query", data={"query": "x" * BODY_MAX_BYTES}, params={}).status_code == 400


def test_metadata(client: Client) -> None:
    span = {"start": str(T0_S), "end": str(T0_S + 60)}
    assert get(client, "labels", **span) == {"status": "success", "data": ["app", "env"]}
    assert get(client, "label", query='{env="dev"}', **span) == {"status": "success"}
    assert get(client, "label/app/values", **span)["data"] == ["x"]
    assert get(client, "label/nosuch/values", **span) == {"status": "success"}
    assert get(client, "series", **span)["data"] == [{"app": "x", "env": "prod"}]
    assert get(client, "series", **span, **{"match[]": '{env="dev"}'})["data"] == []
    assert get(client, "index/stats", query='{app="x"}', **span)["entries"] == 3


def test_several_tenants(client: Client) -> None:
    client.headers["X-Scope-OrgID"] = "u|t"
    span = {"start": str(T0_S), "end": str(T0_S + 60)}
    assert get(client, "labels", **span)["data"] == ["__tenant_id__", "app", "env"]
    assert get(client, "label/__tenant_id__/values", **span)["data"] == ["t", "u"]
    assert [one["__tenant_id__"] for one in get(client, "series", **span)["data"]] == ["t", "u"]


@pytest.mark.parametrize(
    ("path", "params", "text"),
    [
        ("query", {"query": '{app="x"}'}, "log queries are not supported as an instant query type"),
        ("query", {"query": ""}, "parse error : syntax error: unexpected $end"),
        ("query_range", {"query": "{app="}, "parse error at line 1, col 6"),
        ("query_range", {"query": '{app="x"}', "limit": "0"}, "limit must be a positive value"),
        ("query_range", {"query": '{app="x"}', "limit": "6000"}, "max entries limit per query exceeded"),
        ("labels", {"query": '{app="x"} |= "y"'}, "only label matchers are supported"),
        ("series", {"match[]": '{app="x"} |= "y"'}, "only label matchers are supported"),
        ("index/stats", {}, "parse error : syntax error: unexpected $end"),
        ("labels", {"start": "0", "end": "1700000100"}, "the query time range exceeds the limit"),
    ],
)
def test_refusals(client: Client, path: str, params: dict[str, str], text: str) -> None:
    body = get(client, path, 400, **params)
    assert text in body
    assert not body.endswith("\n")


def test_without_a_tenant(client: Client) -> None:
    client.headers.pop("X-Scope-OrgID")
    assert get(client, "labels", 401) == "no org id\n"
    assert get(client, "status/buildinfo")["version"].startswith("3.")
    assert client.get("/ready", {}).text == "ready\n"


def test_the_configuration_in_three_ways(client: Client) -> None:
    assert client.get("/config", {}).text == "# \n"
    assert client.get("/config", {"mode": "diff"}).text == "# diff\n"


def test_limits_of_the_tenant(client: Client) -> None:
    body = get(client, "drilldown-limits")
    assert (body["pattern_ingester_enabled"], body["version"]) == (True, "unknown")
    limits = body["limits"]
    assert limits["max_query_length"] == "30d1h"
    assert (limits["max_query_bytes_read"], limits["query_timeout"], limits["max_query_lookback"]) == ("0B", "1m", "0s")
    assert limits["retention_period"] == "1w"
    assert limits["discover_service_name"][0] == "service"
    (rule,) = limits["otlp_config"]["resource_attributes"]["attributes_config"]
    assert (rule["action"], rule["attributes"][0]) == ("index_label", "service.name")
    assert client.get("/config/tenant/v1/limits", {}).text == "# t\n"
    client.headers.pop("X-Scope-OrgID")
    assert get(client, "drilldown-limits", 401) == "no org id\n"
    assert client.get("/config/tenant/v1/limits", {}).status_code == 401


def test_format_query(client: Client) -> None:
    assert get(client, "format_query", query='{ app = "x" }|="y"')["data"] == '{app="x"} |= "y"'
    answer = client.get("/loki/api/v1/format_query", params={"query": "{"})
    assert answer.status_code == 400
    assert answer.json()["status"] == "invalid-query"


def test_a_client_that_goes_away_stops_its_query() -> None:
    async def main() -> tuple[int, bytes]:
        store = MemoryStore(asyncio.Event())
        app = application(store)
        messages = iter([{"type": "http.request", "body": b"", "more_body": False}])
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            for message in messages:
                return message
            await store.waiting.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/loki/api/v1/query",
            "query_string": b'query=rate({app="x"}[1m])',
            "headers": [(b"x-scope-orgid", b"t")],
        }
        await asyncio.wait_for(app(scope, receive, send), 10)
        return sent[0]["status"], sent[1]["body"]

    assert asyncio.run(main()) == (499, CLIENT_GONE_TEXT.encode())
