"""logcli, the command line of Loki: its queries, lists, statistics, paging and tail; and loki-canary, which checks all
that it pushes by tail and by queries."""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from tests.push_bodies import Entry, json_push
from tests.servers.process import ServerProcess, free_port, wait_until
from tests.system.clients.conftest import PASSWORD, USER, Tenant, go_program

RUN_S = 60.0
LINES = 2500
"""Two pages and a half of logcli's."""


@pytest.fixture
def filled(tenant: Tenant) -> Tenant:
    """A tenant with lines of a second, of two applications."""
    step_ns = 10**9 // LINES
    entries: dict[str, list[Entry]] = {"cart": [], "pay": []}
    for number in range(LINES):
        app = "pay" if number % 5 == 0 else "cart"
        line = f"level={'error' if number % 10 == 0 else 'info'} n={number}"
        entries[app].append((tenant.since_ns + number * step_ns, line, {"trace_id": f"t{number}"}))
    body = json_push([({"app": app}, of_app) for app, of_app in entries.items()])
    assert tenant.post("/loki/api/v1/push", body, "application/json").status == 204
    return tenant


def arguments(tenant: Tenant, *words: str) -> list[str]:
    access = [f"--addr={tenant.server.url}", f"--org-id={tenant.name}", f"--username={USER}", f"--password={PASSWORD}"]
    return [str(go_program("logcli")), *words, *access, "--quiet"]


def logcli(tenant: Tenant, *words: str) -> str:
    ran = subprocess.run(arguments(tenant, *words), capture_output=True, text=True, timeout=RUN_S, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def span(tenant: Tenant) -> list[str]:
    seconds = tenant.since_ns // 10**9
    return [f"--from={_rfc3339(seconds)}", f"--to={_rfc3339(seconds + 60)}"]


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("direction", ["--forward", "--no-forward"])
def test_a_query_of_several_pages(filled: Tenant, direction: str) -> None:
    words = ["query", '{app=~".+"} | logfmt', f"--limit={2 * LINES}", "--output=jsonl", direction, *span(filled)]
    lines = [orjson.loads(line) for line in logcli(filled, *words).splitlines()]
    numbers = [int(re.search(r"n=(\d+)", line["line"])[1]) for line in lines]  # type: ignore[index]
    in_order = list(range(LINES))
    assert numbers == (in_order if direction == "--forward" else in_order[::-1])
    first = next(line for line in lines if line["line"].endswith("n=10"))
    assert {"app": "pay", "level": "error", "n": "10", "trace_id": "t10"}.items() <= first["labels"].items()


def test_metric_queries(filled: Tenant) -> None:
    counted = orjson.loads(logcli(filled, "instant-query", 'sum by (app) (count_over_time({app=~".+"}[1h]))'))
    assert {each["metric"]["app"]: each["value"][1] for each in counted} == {"cart": "2000", "pay": "500"}
    matrix = orjson.loads(
        logcli(filled, "query", 'sum(count_over_time({app="pay"} |= "error" [2m]))', "--step=60s", *span(filled))
    )
    assert max(float(value[1]) for value in matrix[0]["values"]) == 250


def test_labels_series_and_sizes(filled: Tenant) -> None:
    assert logcli(filled, "labels", *span(filled)).split() == ["app", "service_name"]
    assert logcli(filled, "labels", "app", *span(filled)).split() == ["cart", "pay"]
    assert len(logcli(filled, "series", '{app=~".+"}', *span(filled)).splitlines()) == 2
    assert re.search(
        r"streams: 2\b.*entries: (2,?500|2.5.*K)", logcli(filled, "stats", '{app=~".+"}', *span(filled)), re.S
    )
    sizes = orjson.loads(logcli(filled, "volume", '{app=~".+"}', *span(filled)))
    assert {each["metric"]["app"] for each in sizes} == {"cart", "pay"}
    assert "level" in logcli(filled, "detected-fields", '{app="cart"}', *span(filled))


def test_formatting_and_errors(filled: Tenant) -> None:
    ran = subprocess.run(
        arguments(filled, "query", '{app="cart"', *span(filled)),
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert ran.returncode != 0
    assert "parse error at line 1, col 12" in ran.stderr
    wrong = [word.replace(PASSWORD, "guess") for word in arguments(filled, "labels")]
    refused = subprocess.run(wrong, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert refused.returncode != 0
    assert "wrong credentials" in refused.stderr


def test_tail(filled: Tenant, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = arguments(filled, "query", "--tail", "--output=raw", "--limit=2", '{app="cart"} |= "level"')
    with out.open("wb") as stdout:
        process = subprocess.Popen(words, stdout=stdout, stderr=stdout, env=os.environ)
        try:
            wait_until(lambda: "n=2499" in out.read_text(), deadline_s=30, what="the newest line")
            body = json_push([({"app": "cart"}, [(filled.since_ns + 2 * 10**9, "level=warn live", {})])])
            assert filled.post("/loki/api/v1/push", body, "application/json").status == 204
            wait_until(lambda: "level=warn live" in out.read_text(), deadline_s=30, what="the live line")
        finally:
            process.kill()
            process.wait()


CANARY_ENTRIES = 30


def test_canary(tenant: Tenant, tmp_path: Path) -> None:
    """It writes, tails, asks for what the tail did not show, and compares counts."""
    port = free_port()
    flags = {
        "addr": f"127.0.0.1:{tenant.server.port}",
        "user": USER,
        "pass": PASSWORD,
        "tenant-id": tenant.name,
        "port": str(port),
        "interval": "100ms",
        "wait": "2s",
        "max-wait": "4s",
        "pruneinterval": "1s",
        "spot-check-interval": "500ms",
        "spot-check-initial-wait": "1s",
        "spot-check-query-rate": "1s",
        "metric-test-interval": "1s",
        "metric-test-range": "1h",
        "cache-test-interval": "1s",
        "cache-test-now": "1s",
    }
    argv = [str(go_program("loki-canary")), "-push", *(f"-{name}={value}" for name, value in flags.items())]
    process = ServerProcess(argv, directory=tmp_path, log_path=tmp_path / "log")

    def counts() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        pairs = [line.split() for line in lines if line.startswith("loki_canary_") and "{" not in line]
        return {name.removeprefix("loki_canary_"): float(value) for name, value in pairs}

    def is_far_enough() -> bool:
        try:
            seen = counts()
        except OSError:
            return False
        return (
            seen["entries_total"] >= CANARY_ENTRIES
            and seen["spot_check_entries_total"] >= 2
            and seen["metric_test_actual"] > 0
            and seen["response_latency_seconds_count"] >= CANARY_ENTRIES / 2
        )

    process.start()
    try:
        wait_until(is_far_enough, deadline_s=60, what="what the canary checks")
        seen = counts()
    finally:
        process.kill()
    bad = (
        "missing_entries_total",
        "spot_check_missing_entries_total",
        "unexpected_entries_total",
        "duplicate_entries_total",
    )
    assert {name: seen[name] for name in bad} == dict.fromkeys(bad, 0)
    assert seen["websocket_missing_entries_total"] == 0
    assert abs(seen["metric_test_expected"] - seen["metric_test_actual"]) <= CANARY_ENTRIES
