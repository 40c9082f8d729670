"""Rows that come again after a flush, beside new ones, are neither lost nor doubled, not even by `kill -9`."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from urllib.parse import urlencode

from tests.conftest import StartLodur
from tests.push_bodies import Entry, json_push
from tests.servers.lodur import LodurServer
from tests.servers.raw_http import ask


def push(server: LodurServer, entries: Sequence[Entry]) -> None:
    headers = {"Content-Type": "application/json"}
    answer = ask(server.port, "POST", "/loki/api/v1/push", headers, json_push([({"app": "again"}, entries)]))
    assert answer.status == 204, answer


def counted(server: LodurServer) -> tuple[int, int]:
    """Lines as a metric query counts them, and as a log query returns them."""
    metric = urlencode({"query": 'sum(count_over_time({app="again"}[10m]))'})
    vector = json.loads(ask(server.port, "GET", f"/loki/api/v1/query?{metric}").text)["data"]["result"]
    logs = urlencode({"query": '{app="again"}', "limit": 5000})
    streams = json.loads(ask(server.port, "GET", f"/loki/api/v1/query_range?{logs}").text)["data"]["result"]
    return int(vector[0]["value"][1]), sum(len(stream["values"]) for stream in streams)


def test_rows_that_come_again_in_another_body(lodur_server: StartLodur) -> None:
    server = lodur_server()
    now_ns = time.time_ns() - 20 * 10**9
    old: list[Entry] = [(now_ns + n, f"line {n}", {"trace": str(n)} if n % 3 else {}) for n in range(100)]
    push(server, old)
    assert ask(server.port, "POST", "/flush").status == 204
    push(server, [*old[:50], (now_ns + 200, "new", {})])
    push(server, old[20:70])
    assert counted(server) == (101, 101)
    server.restart()
    assert counted(server) == (101, 101)
    assert ask(server.port, "POST", "/flush").status == 204
    server.restart()
    assert counted(server) == (101, 101)
