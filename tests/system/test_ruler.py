"""Rules end to end: pushed lines become alerts in a real Alertmanager, and samples at a receiver of remote write."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartLodur
from tests.servers.alertmanager import Alertmanager, NoAlertmanager, alertmanager_program
from tests.servers.lodur import LodurServer
from tests.servers.process import free_port, wait_until
from tests.servers.receiver import Receiver

DEADLINE_S = 40.0

CONFIG = """
auth_enabled: true
ruler:
  poll_interval: 1s
  resend_delay: 1s
  external_url: http://grafana.example
  external_labels: {site: north}
  alertmanager_url: %(alertmanager)s
  remote_write:
    enabled: true
    clients:
      store:
        url: %(receiver)s/api/v1/write
        queue_config: {batch_send_deadline: 0s, max_backoff: 200ms}
"""

GROUP = """
name: shop
interval: 1s
rules:
- record: shop:lines:count1h
  expr: sum by (level) (count_over_time({app="shop"} | logfmt [1h]))
- alert: ShopErrors
  expr: sum by (level) (count_over_time({app="shop"} | logfmt | level="error" [%(window)s])) > 1
  for: 1s
  labels: {severity: page}
  annotations: {summary: '{{ $value }} lines of {{ $labels.level }}'}
"""

SHARED = """
auth_enabled: true
common: {path_prefix: data}
storage_config: {filesystem: {directory: %s}}
lodur: {wal: object}
ruler: {poll_interval: 1s}
"""

RETRIED = b'loki_ruler_wal_prometheus_remote_storage_samples_retried_total{client="store"'

TENANT = {"X-Scope-OrgID": "team-a"}


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def alertmanager(tmp_path: Path, hook: Receiver) -> Iterator[Alertmanager]:
    try:
        program = alertmanager_program()
    except NoAlertmanager as error:
        pytest.skip(str(error))
    server = Alertmanager(program, tmp_path, hook=hook.url)
    server.start()
    yield server
    server.stop()


def ask(server: LodurServer, method: str, path: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(f"{server.url}{path}", data=body, headers=TENANT, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        content = answer.read()
    assert isinstance(content, bytes)
    return content


def rule(server: LodurServer, name: str) -> dict[str, Any]:
    groups = json.loads(ask(server, "GET", f"/prometheus/api/v1/rules?rule_name={name}"))["data"]["groups"]
    found: dict[str, Any] = groups[0]["rules"][0]
    return found


def state(server: LodurServer) -> str:
    return str(rule(server, "ShopErrors")["state"])


def push(server: LodurServer, lines: list[str], now_ns: int) -> None:
    values = [[str(now_ns + number), line] for number, line in enumerate(lines)]
    body = json.dumps({"streams": [{"stream": {"app": "shop"}, "values": values}]}).encode()
    request = urllib.request.Request(
        f"{server.url}/loki/api/v1/push", data=body, headers={**TENANT, "Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 204


def told(hook: Receiver, status: str) -> list[Any]:
    """The alerts of that status that Alertmanager has passed on."""
    return [alert for posted in hook.posted for alert in json.loads(posted.body)["alerts"] if alert["status"] == status]


def test_lines_become_alerts_that_fire_and_are_resolved(
    lodur_server: StartLodur, alertmanager: Alertmanager, hook: Receiver, now_ns: int
) -> None:
    with Receiver() as store:
        addresses = {"alertmanager": alertmanager.url, "receiver": store.url}
        server = lodur_server(config_text=CONFIG % addresses)
        ask(server, "POST", "/loki/api/v1/rules/ns", (GROUP % {"window": "1h"}).encode())
        push(server, ["level=error msg=a", "level=error msg=b", "level=info msg=c"], now_ns)
        wait_until(lambda: bool(told(hook, "firing")), deadline_s=DEADLINE_S, what="the alert")
        (alert,) = alertmanager.alerts()
        assert alert["labels"] == {"alertname": "ShopErrors", "level": "error", "severity": "page", "site": "north"}
        assert alert["annotations"] == {"summary": "2 lines of error"}
        assert alert["generatorURL"].startswith("http://grafana.example/explore?left=")
        assert state(server) == "firing"
        # Nothing of the last second counts as many errors: the alert is over.
        ask(server, "POST", "/loki/api/v1/rules/ns", (GROUP % {"window": "1ms"}).encode())
        wait_until(lambda: bool(told(hook, "resolved")), deadline_s=DEADLINE_S, what="the end of the alert")
        assert state(server) == "inactive"
        by_name: dict[str, set[str]] = {}
        for labels, _, _ in store.samples():
            by_name.setdefault(labels["__name__"], set()).add(labels.get("level", "") + labels.get("alertstate", ""))
        assert by_name == {
            "shop:lines:count1h": {"error", "info"},
            "ALERTS": {"errorpending", "errorfiring"},
            "ALERTS_FOR_STATE": {"error"},
        }
        assert {value for labels, _, value in store.samples() if labels.get("level") == "info"} == {1.0}
        assert store.posted[0].headers["x-scope-orgid"] == "team-a"
        assert server.terminate() == 0


def test_a_kill_loses_neither_samples_nor_the_state_of_alerts(lodur_server: StartLodur, now_ns: int) -> None:
    port = free_port()
    addresses = {"alertmanager": f"http://127.0.0.1:{free_port()}", "receiver": f"http://127.0.0.1:{port}"}
    server = lodur_server(config_text=CONFIG % addresses)
    group = (GROUP % {"window": "1h"}).replace("for: 1s", "for: 0s").encode()
    ask(server, "POST", "/loki/api/v1/rules/ns", group)
    push(server, ["level=error msg=a", "level=error msg=b"], now_ns)
    wait_until(lambda: state(server) == "firing", deadline_s=DEADLINE_S, what="the alert")
    active_at = rule(server, "ShopErrors")["alerts"][0]["activeAt"]
    wait_until(lambda: RETRIED in ask(server, "GET", "/metrics"), deadline_s=DEADLINE_S, what="an attempt to send")
    server.restart()
    wait_until(
        lambda: rule(server, "shop:lines:count1h")["lastEvaluation"] > active_at and state(server) == "firing",
        deadline_s=DEADLINE_S,
        what="a turn after the restart",
    )
    assert rule(server, "ShopErrors")["alerts"][0]["activeAt"] == active_at
    with Receiver(port=port) as store:
        wait_until(lambda: bool(store.samples()), deadline_s=DEADLINE_S, what="samples")
        first_ms = min(time_ms for _, time_ms, _ in store.samples())
    # The first samples are from before the kill, when nobody was there to take them.
    assert first_ms <= _ms(active_at)


def _ms(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1000)


def groups_held(server: LodurServer) -> int:
    text = ask(server, "GET", "/metrics").decode()
    return sum(int(float(line.split()[1])) for line in text.splitlines() if line.startswith("lodur_ruler_groups "))


def test_of_two_processes_one_evaluates_and_the_other_takes_over(
    lodur_server: StartLodur, tmp_path: Path, now_ns: int
) -> None:
    shared = SHARED % (tmp_path / "store")
    one, two = (lodur_server(config_text=shared, start=False) for _ in range(2))
    one.start()
    two.start()
    ask(one, "POST", "/loki/api/v1/rules/ns", (GROUP % {"window": "1h"}).replace("for: 1s", "for: 0s").encode())
    push(one, ["level=error msg=a", "level=error msg=b"], now_ns)
    wait_until(lambda: _states(two) == ["firing"], deadline_s=DEADLINE_S, what="the alert, seen by the other process")
    wait_until(lambda: groups_held(one) + groups_held(two) == 1, deadline_s=DEADLINE_S, what="a group of one process")
    active_at = rule(two, "ShopErrors")["alerts"][0]["activeAt"]
    holder, other = (one, two) if groups_held(one) else (two, one)
    evaluated_at = rule(other, "ShopErrors")["lastEvaluation"]
    assert holder.terminate() == 0
    wait_until(lambda: groups_held(other) == 1, deadline_s=DEADLINE_S, what="the group in the other's hands")
    wait_until(
        lambda: rule(other, "ShopErrors")["lastEvaluation"] > evaluated_at and _states(other) == ["firing"],
        deadline_s=DEADLINE_S,
        what="a turn of the other process",
    )
    assert rule(other, "ShopErrors")["alerts"][0]["activeAt"] == active_at


def _states(server: LodurServer) -> list[str]:
    """The states of the alerts of a rule; none while nobody has the rule yet."""
    groups = json.loads(ask(server, "GET", "/prometheus/api/v1/rules?rule_name=ShopErrors"))["data"]["groups"]
    return [alert["state"] for group in groups for rule in group["rules"] for alert in rule["alerts"]]


def test_rules_from_files(lodur_server: StartLodur, tmp_path: Path) -> None:
    folder = tmp_path / "rules" / "team-a"
    folder.mkdir(parents=True)
    (folder / "f.yml").write_text("groups: [{name: g, interval: 1s, rules: [{record: one, expr: vector(1)}]}]")
    config = f"auth_enabled: true\nruler: {{storage: {{type: local, local: {{directory: {tmp_path / 'rules'}}}}}}}\n"
    server = lodur_server(config_text=config)
    wait_until(lambda: rule(server, "one")["health"] == "ok", deadline_s=DEADLINE_S, what="a turn")
    assert b"f.yml:" in ask(server, "GET", "/loki/api/v1/rules")
