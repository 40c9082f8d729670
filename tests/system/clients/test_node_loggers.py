"""pino-loki and winston-loki: loggers of Node, by JSON and by protobuf."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import orjson

from scripts.install_test_clients import SOURCES
from tests.system.clients.conftest import Entries, Tenant

SCRIPT = SOURCES / "node" / "send.mjs"

SEND_S = 60.0


def send(modules: Path, tenant: Tenant, client: str, *words: str) -> None:
    command = ["node", str(SCRIPT), client, tenant.server.url, tenant.account, tenant.name, *words]
    environment = {**os.environ, "NODE_PATH": str(modules)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SEND_S, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def messages(found: list[Entries], key: str) -> list[tuple[str, str, str]]:
    """Level, area and message of each line; a line is a JSON object."""
    return sorted(
        (each.labels["level"], each.labels.get("area", ""), orjson.loads(line)[key])
        for each in found
        for line in each.lines
    )


def test_pino(node_clients: Path, tenant: Tenant) -> None:
    send(node_clients, tenant, "pino")
    found = tenant.wait_for('{application="shop"}', 3)
    assert messages(found, "msg") == [
        ("error", "pay", 'two\nlines "quoted" \N{SNOWMAN}'),
        ("info", "cart", "cart opened"),
        ("warning", "cart", "cart of ann is slow"),
    ]
    assert [each.labels["trace_id"] for each in found if "trace_id" in each.labels] == ["0af7651916cd43dd"]
    assert {each.labels["service_name"] for each in found} == {"shop"}
    assert {"application", "area", "level", "service_name"} <= set(tenant.json("/loki/api/v1/labels")["data"])


def test_winston_by_protobuf(node_clients: Path, tenant: Tenant) -> None:
    send(node_clients, tenant, "winston", "protobuf")
    assert messages(tenant.wait_for('{application="shop"}', 3), "message") == WINSTON


def test_winston_by_json(node_clients: Path, tenant: Tenant) -> None:
    send(node_clients, tenant, "winston", "json")
    assert messages(tenant.wait_for('{application="shop"}', 3), "message") == WINSTON


WINSTON = [
    ("error", "pay", 'two\nlines "quoted" \N{SNOWMAN}'),
    ("info", "", "cart opened"),
    ("warn", "cart", "cart of ann is slow"),
]
