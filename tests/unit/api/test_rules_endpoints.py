"""The API of rules: groups in YAML, and how they fare in Prometheus' form."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import yaml
from starlette.applications import Starlette

from lodur.api import loki_rules, prometheus_rules
from lodur.api.tenant import Tenancy
from lodur.model.durations import NS_PER_MINUTE, NS_PER_S
from lodur.model.errors import Unavailable
from lodur.model.label_set import LabelSet
from lodur.model.limits import Limits, RuleLimits
from lodur.model.tenant import TenantId
from lodur.ruler.alerts import Alert
from lodur.ruler.configuration import RuleConfiguration
from lodur.ruler.group_state import GroupState, RuleState
from lodur.ruler.groups import AlertingRule, GroupId, RecordingRule, RuleGroup, rule_keys
from lodur.ruler.rule_store import LocalRules, ObjectRules, RuleStore
from lodur.store.filesystem_store import FilesystemStore

ACCEPTED = {"status": "success", "data": None, "errorType": "", "error": ""}
GROUP = "name: g\nrules:\n  - alert: A\n    expr: vector(1)\n"
T0_NS = 1_700_000_000 * NS_PER_S
RULES = (
    AlertingRule(
        "A", 'sum(rate({app="x"}[1m])) > 0', NS_PER_MINUTE, 0, (("severity", "page"),), (("s", "{{ $value }}"),)
    ),
    RecordingRule("r:x", "vector(1)", (("team", "a"),)),
    AlertingRule("Broken", '{app="x"}'),
)  # fmt: skip
EVALUATED = RuleGroup(GroupId(TenantId("t"), "ns", "g"), 90 * NS_PER_S, 5, RULES)
NEW = RuleGroup(GroupId(TenantId("t"), "ns", "new"), NS_PER_MINUTE // 40, 0, (RULES[1],))


def alert(value: float, **times: int) -> Alert:
    labels = LabelSet.of({"alertname": "A", "severity": "page", "n": str(value)})
    return Alert(labels, (("s", "1"),), value, T0_NS, **times)


ALERTS = (
    alert(1.5, fired_at_ns=T0_NS),
    alert(float("inf")),
    alert(3.0, fired_at_ns=T0_NS, resolved_at_ns=T0_NS + 1),
)
KEYS = rule_keys(RULES)
STATE = GroupState(
    T0_NS + 1_500_000,
    0.25,
    (
        RuleState(KEYS[0], "ok", "", T0_NS, 0.125, ALERTS),
        RuleState(KEYS[1], "ok", "", T0_NS, 0.125),
        RuleState(KEYS[2], "err", "log queries are not supported", T0_NS, 0.125),
    ),
)


@dataclass
class Server:
    """The routes of rules over one store."""

    store: RuleStore
    limits: RuleLimits = field(default_factory=RuleLimits)
    auth_enabled: bool = True

    def ask(
        self, method: str, target: str, body: str = "", *, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        tenancy = Tenancy(self.auth_enabled, False)
        configuration = RuleConfiguration(self.store, lambda _: Limits(rules=self.limits), lambda: None)

        async def groups(tenant: TenantId) -> list[tuple[RuleGroup, GroupState]]:
            if tenant.value == "broken":
                raise Unavailable("the store is away")
            return [(EVALUATED, STATE), (NEW, GroupState())] if tenant.value == "t" else []

        app = Starlette(routes=[*loki_rules.routes(configuration, tenancy), *prometheus_rules.routes(groups, tenancy)])

        async def answered() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://lodur") as client:
                known = {"X-Scope-OrgID": "t"} if headers is None else dict(headers)
                return await client.request(method, target, headers=known, content=body.encode())

        return asyncio.run(answered())


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(ObjectRules([FilesystemStore(tmp_path)]))


@pytest.mark.parametrize("root", ["/loki/api/v1/rules", "/api/prom/rules"])
def test_groups_are_put_read_and_deleted(server: Server, root: str) -> None:
    empty = server.ask("GET", root)
    assert (empty.status_code, empty.text) == (404, "no rule groups found\n")
    put = server.ask("POST", f"{root}/a%2Fb%20c", GROUP)
    assert (put.status_code, put.json(), put.headers["content-type"]) == (202, ACCEPTED, "application/json")
    listed = server.ask("GET", root)
    assert (listed.status_code, listed.headers["content-type"]) == (200, "application/yaml")
    assert yaml.safe_load(listed.text) == {"a/b c": [yaml.safe_load(GROUP)]}
    assert server.ask("GET", f"{root}/a%2Fb%20c").text == listed.text
    assert server.ask("GET", f"{root}/a%2Fb%20c/g").text == GROUP
    assert server.ask("GET", f"{root}/a").text == "no rule groups found\n"
    missing = server.ask("GET", f"{root}/a%2Fb%20c/other")
    assert (missing.status_code, missing.text) == (404, "group does not exist\n")
    assert server.ask("DELETE", f"{root}/a%2Fb%20c/other").status_code == 202
    assert server.ask("DELETE", f"{root}/a%2Fb%20c/g").json() == ACCEPTED
    gone = server.ask("DELETE", f"{root}/a%2Fb%20c")
    assert (gone.status_code, gone.text) == (404, "group namespace does not exist\n")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("name: g\nrules: [{record: A-b, expr: 'vector(1)'}]", "invalid recording rule name: A-b\n"),
        ("rules: []", "group 0: Groupname must not be empty\n"),
        ("[", "unable to decoded rule group\n"),
        ("name: {a: b}", "unable to decoded rule group\n"),
        ("\x00", "unable to decoded rule group\n"),
        ("name: g\n#" + "x" * 2**20, "unable to decoded rule group\n"),
    ],
)
def test_what_is_no_group_is_refused(server: Server, body: str, text: str) -> None:
    answer = server.ask("POST", "/loki/api/v1/rules/ns", body)
    assert (answer.status_code, answer.text) == (400, text)


def test_empty_groups_and_unknown_fields_are_taken(server: Server) -> None:
    body = "name: g\nquery_offset: 1m\nrules: []\n"
    assert server.ask("POST", "/loki/api/v1/rules/ns", body).status_code == 202
    assert server.ask("GET", "/loki/api/v1/rules/ns/g").text == "name: g\nrules: []\n"


def test_limits_are_answered_with_400(server: Server) -> None:
    server.limits = RuleLimits(groups_max=1)
    assert server.ask("POST", "/loki/api/v1/rules/ns", GROUP).status_code == 202
    over = server.ask("POST", "/loki/api/v1/rules/other", GROUP)
    assert (over.status_code, over.text) == (400, "per-user rule groups limit (limit: 1 actual: 2) exceeded\n")


def test_one_tenant_is_needed(server: Server) -> None:
    several = {"status": "error", "data": None, "errorType": "server_error", "error": "no org id"}
    for path in ("/loki/api/v1/rules", "/prometheus/api/v1/rules", "/prometheus/api/v1/alerts"):
        nobody = server.ask("GET", path, headers={})
        assert (nobody.status_code, nobody.text) == (401, "no org id\n")
        both = server.ask("GET", path, headers={"X-Scope-OrgID": "a|b"})
        assert (both.status_code, both.json()) == (500, several)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/loki/api/v1/rules", 405),
        ("PUT", "/api/prom/rules/ns", 405),
        ("POST", "/loki/api/v1/rules/ns/g", 405),
        ("PUT", "/loki/api/v1/rules/ns", 405),
        ("GET", "/loki/api/v1/rules/ns/g/x", 404),
        ("POST", "/loki/api/v1/rules/", 404),
        ("DELETE", "/loki/api/v1/rules/a/b/c", 404),
        ("POST", "/prometheus/api/v1/rules", 405),
    ],
)
def test_what_is_no_route(server: Server, method: str, path: str, status: int) -> None:
    assert server.ask(method, path, GROUP).status_code == status


def test_files_can_only_be_read(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "f.yaml").write_text(f"groups:\n- {GROUP.replace(chr(10), chr(10) + '  ')}")
    server = Server(LocalRules(tmp_path))
    assert yaml.safe_load(server.ask("GET", "/loki/api/v1/rules").text) == {"f.yaml": [yaml.safe_load(GROUP)]}
    refused = server.ask("POST", "/loki/api/v1/rules/f.yaml", GROUP)
    assert (refused.status_code, refused.json()["errorType"]) == (500, "server_error")
    assert "unsupported in rule local store" in refused.json()["error"]
    missing = server.ask("GET", "/loki/api/v1/rules", headers={"X-Scope-OrgID": "other"})
    assert missing.status_code == 500
    assert missing.json()["error"].startswith(f"unable to read rule dir {tmp_path}/other: ")


@pytest.mark.parametrize("path", ["/prometheus/api/v1/rules", "/api/prom/api/v1/rules"])
def test_how_rules_fare(server: Server, path: str) -> None:
    answer = server.ask("GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    body = answer.json()
    assert {**body, "data": None} == ACCEPTED
    group, new = body["data"]["groups"]
    assert {key: value for key, value in group.items() if key != "rules"} == {
        "name": "g",
        "file": "ns",
        "interval": 90,
        "limit": 5,
        "lastEvaluation": "2023-11-14T22:13:20.0015Z",
        "evaluationTime": 0.25,
    }
    fired, recorded, broken = group["rules"]
    labels = {"alertname": "A", "severity": "page"}
    common = {"annotations": {"s": "1"}, "activeAt": "2023-11-14T22:13:20Z"}
    assert fired == {
        "state": "firing",
        "name": "A",
        "query": '(sum(rate({app="x"}[1m])) > 0)',
        "duration": 60,
        "keepFiringFor": 0,
        "labels": {"severity": "page"},
        "annotations": {"s": "{{ $value }}"},
        "alerts": [
            {"labels": {**labels, "n": "1.5"}, **common, "state": "firing", "value": "1.5e+00"},
            {"labels": {**labels, "n": "inf"}, **common, "state": "pending", "value": "+Inf"},
        ],
        "health": "ok",
        "lastError": "",
        "type": "alerting",
        "lastEvaluation": "2023-11-14T22:13:20Z",
        "evaluationTime": 0.125,
    }
    assert recorded == {
        "name": "r:x",
        "query": "vector(1.000000)",
        "labels": {"team": "a"},
        "health": "ok",
        "lastError": "",
        "type": "recording",
        "lastEvaluation": "2023-11-14T22:13:20Z",
        "evaluationTime": 0.125,
    }
    assert (broken["state"], broken["health"]) == ("inactive", "err")
    assert broken["lastError"] == "log queries are not supported"
    assert (new["interval"], new["lastEvaluation"]) == (1.5, "0001-01-01T00:00:00Z")
    assert new["rules"][0]["health"] == "unknown"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("type=alert", [("g", "A"), ("g", "Broken")]),
        ("type=record", [("g", "r:x"), ("new", "r:x")]),
        ("rule_name=A&rule_name=r:x", [("g", "A"), ("g", "r:x"), ("new", "r:x")]),
        ("rule_group=new", [("new", "r:x")]),
        ("rule_group[]=new&rule_group[]=g&rule_name[]=A", [("g", "A")]),
        ("file=ns&type=alert&rule_name=A", [("g", "A")]),
        ("file=other", []),
    ],
)
def test_filters(server: Server, query: str, names: list[tuple[str, str]]) -> None:
    groups = server.ask("GET", f"/prometheus/api/v1/rules?{query}").json()["data"]["groups"]
    assert [(group["name"], rule["name"]) for group in groups for rule in group["rules"]] == names
    assert all(group["rules"] for group in groups)


def test_pages_of_groups(server: Server) -> None:
    path, token = "/prometheus/api/v1/rules?group_limit=1&exclude_alerts=1", ""
    names: list[str] = []
    while token or not names:
        data = server.ask("GET", path + (f"&group_next_token={token}" if token else "")).json()["data"]
        names += [group["name"] for group in data["groups"]]
        token = data.get("groupNextToken", "")
    every = server.ask("GET", "/prometheus/api/v1/rules?group_limit=99999999999999999999").json()["data"]
    assert names == [group["name"] for group in every["groups"]]
    assert len(names) > 1
    assert "groupNextToken" not in every


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("group_limit=0", "greater than 0"),
        ("group_limit=-1", "greater than 0"),
        ("group_limit=a", 'not "a"'),
        ("group_next_token=x", "group_limit needs to be set"),
        ("group_limit=1&group_next_token=x", "invalid group_next_token"),
    ],
)
def test_what_is_no_page(server: Server, query: str, told: str) -> None:
    answer = server.ask("GET", f"/prometheus/api/v1/rules?{query}")
    assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")
    assert told in answer.json()["error"]


def test_a_type_that_there_is_not(server: Server) -> None:
    answer = server.ask("GET", "/prometheus/api/v1/rules?type=zz")
    error = {"status": "error", "data": None, "errorType": "bad_data", "error": 'not supported value "zz"'}
    assert (answer.status_code, answer.json()) == (400, error)


def test_alerts_and_none(server: Server) -> None:
    alerts = server.ask("GET", "/prometheus/api/v1/alerts").json()["data"]["alerts"]
    assert [one["value"] for one in alerts] == ["1.5e+00", "+Inf"]
    other = {"X-Scope-OrgID": "other"}
    assert server.ask("GET", "/prometheus/api/v1/alerts", headers=other).json()["data"] == {"alerts": []}
    assert server.ask("GET", "/prometheus/api/v1/rules", headers=other).json()["data"] == {"groups": []}
    hidden = server.ask("GET", "/prometheus/api/v1/rules?exclude_alerts=true").json()["data"]["groups"]
    assert hidden[0]["rules"][0]["alerts"] == []


def test_a_store_that_is_away(server: Server) -> None:
    answer = server.ask("GET", "/prometheus/api/v1/rules", headers={"X-Scope-OrgID": "broken"})
    error = {"status": "error", "data": None, "errorType": "server_error", "error": "the store is away"}
    assert (answer.status_code, answer.json()) == (500, error)
