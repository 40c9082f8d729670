"""The numbers that dashboards for Loki read, after a push, a flush, queries and a tail: they are true."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from websockets.sync.client import connect

from lodur.model.clock import SystemClock
from tests.conftest import StartLodur
from tests.push_bodies import json_push
from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.servers.raw_http import ask

LINE = "x" * 1000


def metrics(server: LodurServer) -> dict[str, float]:
    """Values by series, as written."""
    lines = ask(server.port, "GET", "/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def with_route(found: dict[str, float], route: str, status: int, *, ws: str = "false") -> float:
    return found[
        f'loki_request_duration_seconds_count{{method="GET",route="{route}",status_code="{status}",ws="{ws}"}}'
    ]


@pytest.fixture
def server(lodur_server: StartLodur) -> LodurServer:
    return lodur_server(config_text="auth_enabled: false\n")


def test_a_flush_tells_what_it_stored(server: LodurServer) -> None:
    now_ns = SystemClock().now_ns()
    body = json_push([({"app": "a"}, [(now_ns + number, LINE, {}) for number in range(10)])])
    assert ask(server.port, "POST", "/loki/api/v1/push", {"Content-Type": "application/json"}, body).status == 204
    found = metrics(server)
    assert found['loki_ingester_memory_streams{tenant="fake"}'] == 1
    assert found["loki_ingester_wal_records_logged_total"] == found["lodur_wal_records_total"] == 1
    assert 0 < found["loki_ingester_wal_disk_usage_percent"] <= 1
    assert found["loki_ingester_chunk_utilization_count"] == 0
    assert ask(server.port, "POST", "/flush").status == 204
    found = metrics(server)
    raw_bytes = 10 * len(LINE)
    stored = found['loki_ingester_chunk_stored_bytes_total{tenant="fake"}']
    assert stored == found["lodur_flush_bytes_total"] > 0
    assert found["loki_ingester_chunk_utilization_sum"] == pytest.approx(raw_bytes / 2**28, rel=0.1)
    assert found["loki_ingester_chunk_compression_ratio_sum"] == pytest.approx(raw_bytes / stored, rel=0.1)
    assert 0 <= found["loki_ingester_chunk_age_seconds_sum"] < 60


def test_a_restart_tells_what_it_found(lodur_server: StartLodur) -> None:
    server = lodur_server(config_text="auth_enabled: false\n")
    body = json_push([({"app": "a"}, [(SystemClock().now_ns(), LINE, {})])])
    assert ask(server.port, "POST", "/loki/api/v1/push", {"Content-Type": "application/json"}, body).status == 204
    server.kill()
    server.start()
    found = metrics(server)
    assert found["loki_ingester_wal_recovered_entries_total"] == 1
    assert found["loki_ingester_wal_recovered_bytes_total"] > len(LINE)
    assert found["loki_ingester_wal_replay_duration_seconds"] > 0


def test_queries_are_told_apart_by_kind(server: LodurServer) -> None:
    asked = {
        "limited": ("query_range", '{app="a"} | json'),
        "filter": ("query_range", '{app="a"} |= "x"'),
        "metric": ("query", 'sum(count_over_time({app="a"}[1m]))'),
    }
    for path, query in asked.values():
        assert ask(server.port, "GET", f"/loki/api/v1/{path}?query={quote(query)}").status == 200
    found = metrics(server)
    kinds = re.findall(
        r'loki_logql_querystats_latency_seconds_count\{range="(\w+)",status_code="200",type="(\w+)"\}', "\n".join(found)
    )
    assert sorted(kinds) == [("instant", "metric"), ("range", "filter"), ("range", "limited")]
    assert found["loki_query_scheduler_queue_duration_seconds_count"] == 3
    assert with_route(found, "loki_api_v1_query_range", 200) == 2


def test_tails_count_when_they_end(server: LodurServer) -> None:
    query = quote('{app=~".+"}')
    url = f"ws://127.0.0.1:{server.port}/loki/api/v1/tail?query={query}"
    with connect(url):
        wait_until(lambda: metrics(server)["loki_querier_tail_active"] == 1, deadline_s=10, what="an open tail")
        found = metrics(server)
        assert found['loki_inflight_requests{method="GET",route="loki_api_v1_tail"}'] == 1
    wait_until(lambda: metrics(server)["loki_querier_tail_active"] == 0, deadline_s=10, what="no open tail")
    assert with_route(metrics(server), "loki_api_v1_tail", 101, ws="true") == 1
