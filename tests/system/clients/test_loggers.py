"""Loggers of other languages: loki4j (Java), tracing-loki (Rust), slog-loki with loki-client-go (Go)."""

from __future__ import annotations

import subprocess

import orjson
import pytest

from scripts.install_test_clients import SOURCES, java_client, rust_client
from tests.system.clients.conftest import PASSWORD, USER, Tenant, go_program, installed

SEND_S = 60.0

HARD_LINE = 'two\nlines "quoted" \N{SNOWMAN}'


def run(*command: object) -> None:
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=SEND_S, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("protobuf", ["false", "true"])
def test_loki4j(protobuf: str, tenant: Tenant) -> None:
    packages, source = installed(java_client), SOURCES / "java"
    given = {
        "url": tenant.server.url,
        "tenant": tenant.name,
        "user": USER,
        "password": PASSWORD,
        "protobuf": protobuf,
        "logback.configurationFile": str(source / "logback.xml"),
    }
    properties = [f"-D{name}={value}" for name, value in given.items()]
    run("java", *properties, "-cp", f"{packages}/*", source / "Send.java")
    found = tenant.wait_for('{application="shop"}', 2)
    assert [(each.labels["area"], each.labels["level"], each.labels.get("order"), each.lines) for each in found] == [
        ("none", "INFO", None, ["cart opened"]),
        ("pay", "ERROR", "o-7", [HARD_LINE]),
    ]
    assert {each.labels["logger"] for each in found} == {"shop.Send"}


def test_tracing_loki(tenant: Tenant) -> None:
    run(installed(rust_client), tenant.server.url, tenant.headers["Authorization"], tenant.name)
    found = tenant.wait_for('{application="shop"}', 2)
    fields = [(each.labels["level"], orjson.loads(line)) for each in found for line in each.lines]
    told = [(level, each["message"], each["area"], each.get("order")) for level, each in fields]
    assert sorted(told, key=lambda each: each[0]) == [
        ("error", HARD_LINE, "pay", 7),
        ("info", "cart opened", "cart", None),
    ]
    assert {each["version"] for _, each in fields} == {"1.2"}


def test_slog_loki(tenant: Tenant) -> None:
    run(go_program("slog-loki"), tenant.server.url, USER, PASSWORD, tenant.name)
    found = tenant.wait_for('{application="shop"}', 2)
    told = [(each.labels["level"], each.labels["area"], each.labels.get("order__id"), each.lines) for each in found]
    assert sorted(told, key=lambda each: each[0]) == [
        ("ERROR", "pay", "7", [HARD_LINE]),
        ("INFO", "cart", None, ["cart opened"]),
    ]
