"""Volumes as clients see them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.memory_store import MemoryStore
from tests.unit.api.test_query_endpoints import T0_S, Client, application

NS = 10**9
EDGES = {"start": str(T0_S), "end": str(T0_S + 60)}


@pytest.fixture
def client() -> Client:
    store = MemoryStore()
    store.add_head("t", {"app=x,env=prod": [((T0_S + k) * NS, "0123456789") for k in range(40)]})
    store.add_head("u", {"app=x": [(T0_S * NS, "01234")]})
    return Client(application(store))


def ask(client: Client, path: str, **params: str) -> Any:
    answer = client.get(f"/loki/api/v1/index/{path}", {**EDGES, **params})
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert "summary" in data["stats"]
    return data["resultType"], data["result"]


def test_one_value_is_a_vector_at_the_end(client: Client) -> None:
    expected = [{"metric": {"app": "x"}, "value": [T0_S + 60, "400"]}]
    assert ask(client, "volume", query='{app="x"}') == ("vector", expected)
    assert ask(client, "volume_range", query='{app="x"}', step="1h") == ("vector", expected)
    assert ask(client, "volume_range", query='{app="none"}') == ("vector", [])


def test_several_are_a_matrix_of_bucket_ends(client: Client) -> None:
    # T0_S is a multiple of 20.
    points = [[T0_S + 19.999, "200"], [T0_S + 39.999, "200"]]
    assert ask(client, "volume_range", query='{app="x"}', step="20") == (
        "matrix",
        [{"metric": {"app": "x"}, "values": points}],
    )


def test_several_tenants_are_added_up(client: Client) -> None:
    client.headers["X-Scope-OrgID"] = "t|u"
    assert ask(client, "volume", query='{app="x"}')[1][0]["value"][1] == "405"
    chosen = ask(client, "volume", query='{app="x", __tenant_id__="u"}')
    assert [one["value"][1] for one in chosen[1]] == ["5"]
    stats = client.get("/loki/api/v1/index/stats", {**EDGES, "query": '{app="x", __tenant_id__="t"}'}).json()
    assert (stats["streams"], stats["entries"]) == (1, 40)


@pytest.mark.parametrize(
    ("path", "params", "text"),
    [
        ("volume", {}, "parse error : syntax error: unexpected $end"),
        ("volume", {"query": '{app="x"}', "aggregateBy": "nonsense"}, "invalid aggregation option"),
        ("volume", {"query": '{app="x"}', "limit": "x"}, 'strconv.Atoi: parsing "x": invalid syntax'),
        ("volume", {"query": '{app="x"} | json'}, "only label matchers are supported"),
        ("volume_range", {"query": '{app="x"}', "step": "abc"}, 'cannot parse "abc" to a valid duration'),
    ],
)
def test_refusals(client: Client, path: str, params: dict[str, str], text: str) -> None:
    answer = client.get(f"/loki/api/v1/index/{path}", params)
    assert (answer.status_code, answer.text) == (400, text)
