"""Detected labels, fields and patterns as clients see them."""

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
    logfmt = [f"level=info took={k}ms app=inner size={k}KB" for k in range(3)]
    json = ['{"status":200,"http":{"status-code":"x"}}', "plain text"]
    store.add_head(
        "t",
        {
            "app=x,id=17": [((T0_S + k) * NS, line) for k, line in enumerate(logfmt)],
            "app=y,id=18": [((T0_S + 3 + k) * NS, line) for k, line in enumerate(json)],
            "app=z": [((T0_S + k) * NS, f"user {k} came from {k % 2}") for k in range(40)],
        },
    )
    store.add_head("u", {"app=x": [(T0_S * NS, "only=here")]})
    return Client(application(store))


def ask(client: Client, path: str, **params: str) -> Any:
    answer = client.get(f"/loki/api/v1/{path}", {**EDGES, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_fields_of_text_lines(client: Client) -> None:
    body = ask(client, "detected_fields", query='{app="x"}')
    assert body["limit"] == 1000
    assert sorted(body["fields"], key=lambda field: str(field["label"])) == [
        {"label": "app_extracted", "type": "string", "cardinality": 1, "parsers": ["logfmt"]},
        {"label": "level", "type": "string", "cardinality": 1, "parsers": ["logfmt"]},
        {"label": "size", "type": "bytes", "cardinality": 3, "parsers": ["logfmt"]},
        {"label": "took", "type": "duration", "cardinality": 3, "parsers": ["logfmt"]},
    ]


def test_fields_of_json_lines_have_paths(client: Client) -> None:
    expected = [
        {"label": "status", "type": "int", "cardinality": 1, "parsers": ["json"], "jsonPath": ["status"]},
        {
            "label": "http_status_code",
            "type": "string",
            "cardinality": 1,
            "parsers": ["json"],
            "jsonPath": ["http", "status-code"],
        },
    ]
    assert ask(client, "detected_fields", query='{app="y"}')["fields"] == expected
    parsed = ask(client, "detected_fields", query='{app="y"} | json')["fields"]
    assert sorted(parsed, key=lambda field: -len(field["jsonPath"])) == expected[::-1]


def test_fields_of_a_query_that_parses_are_what_it_finds(client: Client) -> None:
    body = ask(client, "detected_fields", query='{app="z"} | pattern "user <n> came from <place>"')
    assert {field["label"]: field["parsers"] for field in body["fields"]} == {"n": ["pattern"], "place": ["pattern"]}


def test_limits_of_fields_and_lines(client: Client) -> None:
    assert len(ask(client, "detected_fields", query='{app="x"}', field_limit="2")["fields"]) == 2
    newest = ask(client, "detected_fields", query='{app="x"}', line_limit="1")
    assert {field["cardinality"] for field in newest["fields"]} == {1}


def test_values_of_a_field(client: Client) -> None:
    assert ask(client, "detected_field/took/values", query='{app="x"}', limit="2") == {
        "values": ["2ms", "1ms"],
        "limit": 2,
    }
    assert ask(client, "detected_field/none/values", query='{app="x"}') == {}


def test_no_entries_no_fields(client: Client) -> None:
    assert ask(client, "detected_fields", query='{app="none"}') == {}
    assert ask(client, "detected_labels", query='{app="none"}') == {}


def test_labels_that_tell_streams_apart(client: Client) -> None:
    assert ask(client, "detected_labels") == {"detectedLabels": [{"label": "app", "cardinality": 3}]}
    client.headers["X-Scope-OrgID"] = "t|u"
    assert ask(client, "detected_labels", query='{app="x"}')["detectedLabels"] == [{"label": "app", "cardinality": 1}]
    fields = ask(client, "detected_fields", query='{app="x"}')["fields"]
    assert {"only", "took"} <= {field["label"] for field in fields}


def test_patterns(client: Client) -> None:
    body = ask(client, "patterns", query='{app="z"}', step="20")
    assert body == {
        "status": "success",
        "data": [
            {
                "pattern": "user <_> came from <_>",
                "level": "unknown",
                "samples": [[T0_S, 20], [T0_S + 20, 20]],
            }
        ],
    }
    assert ask(client, "patterns", query='{app="none"}') == {"status": "success", "data": []}


def test_patterns_are_of_one_tenant_and_must_be_switched_on(client: Client) -> None:
    client.headers["X-Scope-OrgID"] = "t|u"
    answer = client.get("/loki/api/v1/patterns", {"query": '{app="z"}'})
    assert (answer.status_code, answer.text) == (404, "")
    off = Client(application(MemoryStore(), patterns=False))
    answer = off.get("/loki/api/v1/patterns", {"query": '{app="z"}'})
    assert (answer.status_code, answer.text) == (404, "")


@pytest.mark.parametrize(
    ("path", "params", "text"),
    [
        ("detected_fields", {}, "parse error : syntax error: unexpected $end"),
        ("detected_fields", {"query": 'rate({app="x"}[5m])'}, "only log selector is supported"),
        ("detected_fields", {"query": '{app="x"}', "line_limit": "-5"}, "limit must be a positive value"),
        ("detected_fields", {"query": '{app="x"}', "line_limit": "6000"}, "max entries limit per query exceeded"),
        ("detected_field/a/values", {"query": '{app="x"}', "limit": "0"}, "limit must be a positive value"),
        ("detected_labels", {"query": '{app="x"} | json'}, "only label matchers are supported"),
        ("patterns", {"query": '{app="x"} |= "x"'}, "only label matchers are supported"),
        ("patterns", {"query": '{app="x"}', "step": "-1"}, "zero or negative query resolution step"),
    ],
)
def test_refusals(client: Client, path: str, params: dict[str, str], text: str) -> None:
    answer = client.get(f"/loki/api/v1/{path}", params)
    assert answer.status_code == 400
    assert answer.text.startswith(text)
