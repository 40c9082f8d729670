"""What deploy/ ships for watching Lodur: dashboards and alerts ask for metrics that there are, and alerts do alert."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.lodur import LodurServer
from tests.servers.raw_http import ask
from tests.system.clients.conftest import debian_program

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))

METRIC = re.compile(r"\b(?:loki|lodur|process)_\w+\b")
OF_HISTOGRAMS = re.compile(r"_(?:bucket|count|sum)$")


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all that the server counts, whether anything has been counted or not."""
    server = LodurServer(tmp_path_factory.mktemp("metrics"))
    try:
        server.start()
        page = ask(server.port, "GET", "/metrics").text
    finally:
        server.kill()
    kinds = re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE)
    assert len(kinds) > 50
    return {name for name, _ in kinds}


def asked_for(expression: str) -> set[str]:
    return {OF_HISTOGRAMS.sub("", name) for name in METRIC.findall(re.sub(r'"[^"]*"', '""', expression))}


def panels(dashboard: Path) -> Iterator[dict[str, Any]]:
    yield from json.loads(dashboard.read_text())["panels"]


def test_metrics_of_dashboards_are_there(metrics: set[str]) -> None:
    assert DASHBOARDS
    for dashboard in DASHBOARDS:
        shown = [target["expr"] for panel in panels(dashboard) for target in panel.get("targets", ())]
        variables = [each["query"]["query"] for each in variables_of(dashboard)]
        assert len(shown) > 30
        assert {name for expression in (*shown, *variables) for name in asked_for(expression)} - metrics == set()


def variables_of(dashboard: Path) -> list[dict[str, Any]]:
    listed = json.loads(dashboard.read_text())["templating"]["list"]
    return [each for each in listed if each["type"] == "query"]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.name)
def test_panels_stand_beside_each_other(dashboard: Path) -> None:
    assert len({panel["id"] for panel in panels(dashboard)}) == len(list(panels(dashboard)))
    taken: set[tuple[int, int]] = set()
    for panel in panels(dashboard):
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_metrics_of_alerts_are_there(metrics: set[str]) -> None:
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert len(rules) > 10
    assert {name for rule in rules for name in asked_for(rule["expr"])} - metrics == set()
    assert [rule["alert"] for rule in rules if {"summary", "description"} - set(rule["annotations"])] == []


@pytest.mark.parametrize("words", [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]])
def test_prometheus_accepts_the_alerts(words: list[str]) -> None:
    program = debian_program("promtool")
    ran = subprocess.run(
        [str(program.path), *words],
        cwd=ALERTS.parent,
        env=program.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
