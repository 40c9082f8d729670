"""Live tail over a real socket: what is pushed is seen at once, in order, and nothing stays behind."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.conftest import StartLodur
from tests.push_bodies import Entry, json_push
from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.servers.raw_http import ask

SEEN_S = 1.0
"""From the answer to a push until a tail has its lines."""

CONFIG = """
auth_enabled: true
querier: {tail_max_duration: 1h}
limits_config:
  max_concurrent_tail_requests: 250
  ingestion_rate_mb: 1024
  ingestion_burst_size_mb: 1024
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LodurServer]:
    server = LodurServer(tmp_path_factory.mktemp("tail"), config_text=CONFIG)
    server.start()
    yield server
    server.kill()


def tail(
    server: LodurServer,
    tenant: str,
    query: str,
    *,
    path: str = "/loki/api/v1/tail",
    headers: dict[str, str] | None = None,
    **params: object,
) -> ClientConnection:
    url = f"ws://127.0.0.1:{server.port}{path}?{urlencode({'query': query, **params})}"
    return connect(url, additional_headers={"X-Scope-OrgID": tenant, **(headers or {})}, max_size=None, max_queue=None)


def push(server: LodurServer, tenant: str, entries: Sequence[Entry], **labels: str) -> None:
    request = urllib.request.Request(
        f"{server.url}/loki/api/v1/push",
        data=json_push([(labels or {"app": "a"}, entries)]),
        headers={"Content-Type": "application/json", "X-Scope-OrgID": tenant},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 204


def frames(connection: ClientConnection, *, entries: int, deadline_s: float = 10.0) -> list[dict[str, Any]]:
    """Messages until they hold so many entries."""
    end = time.monotonic() + deadline_s
    received: list[dict[str, Any]] = []
    while sum(len(frame["streams"]) for frame in received) < entries:
        received.append(json.loads(connection.recv(timeout=max(0.0, end - time.monotonic()))))
    return received


def lines(received: list[dict[str, Any]]) -> list[str]:
    return [value[1] for frame in received for stream in frame["streams"] for value in stream["values"]]


def open_tails(server: LodurServer) -> int:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        found = re.search(r"^lodur_tails (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found
    return int(float(found[1]))


def test_a_line_is_seen_within_a_second_of_its_answer(server: LodurServer, now_ns: int) -> None:
    with tail(server, "quick", '{app="a"} |= "yes" | json') as connection:
        for number in range(5):
            yes, no = json.dumps({"n": number, "say": "yes"}), json.dumps({"n": number, "say": "no"})
            push(server, "quick", [(now_ns + 2 * number, yes, {"trace": "t"}), (now_ns + 2 * number + 1, no, {})])
            answered_s = time.monotonic()
            (frame,) = frames(connection, entries=1, deadline_s=SEEN_S)
            assert time.monotonic() - answered_s < SEEN_S
            (stream,) = frame["streams"]
            assert stream["values"] == [[str(now_ns + 2 * number), yes]]
            assert stream["stream"]["app"] == "a"
            assert stream["stream"]["n"] == str(number)
            assert stream["stream"]["trace"] == "t"
            assert "dropped_entries" not in frame


def test_history_first_and_each_line_once(server: LodurServer, now_ns: int) -> None:
    old: list[Entry] = [(now_ns - 10**9 * (50 - number), f"old {number}", {}) for number in range(30)]
    push(server, "history", old)
    with tail(server, "history", '{app="a"}', limit=10) as connection:
        push(server, "history", [(now_ns + number, f"new {number}", {}) for number in range(5)])
        received = lines(frames(connection, entries=15))
        assert received == [f"old {number}" for number in range(20, 30)] + [f"new {number}" for number in range(5)]
    with tail(server, "history", '{app="a"}', start=now_ns) as connection:
        assert lines(frames(connection, entries=5)) == [f"new {number}" for number in range(5)]


def test_a_ping_is_answered_beside_the_lines(server: LodurServer, now_ns: int) -> None:
    """Clients that ping take a server that does not answer for gone."""
    with tail(server, "ping", '{app="a"}') as connection:
        assert connection.ping().wait(timeout=10)
        push(server, "ping", [(now_ns, "x", {})])
        assert lines(frames(connection, entries=1)) == ["x"]
        connection.send("what a client says is of no matter")
        assert connection.ping().wait(timeout=10)


def test_lines_of_all_ages_and_of_new_streams(server: LodurServer, now_ns: int) -> None:
    with tail(server, "ages", '{app=~".+"}') as connection:
        push(server, "ages", [(now_ns, "now", {})])
        assert lines(frames(connection, entries=1)) == ["now"]
        push(server, "ages", [(now_ns - 3600 * 10**9, "an hour late", {})])
        assert lines(frames(connection, entries=1)) == ["an hour late"]
        push(server, "ages", [(now_ns + 1, "another", {})], app="b")
        assert lines(frames(connection, entries=1)) == ["another"]
        push(server, "other", [(now_ns + 2, "of another tenant", {})])
        push(server, "ages", [(now_ns + 3, "the last", {})])
        assert lines(frames(connection, entries=1)) == ["the last"]


def test_rows_that_are_pushed_again_are_not_shown_again(server: LodurServer, now_ns: int) -> None:
    with tail(server, "again", '{app="a"}') as connection:
        for _ in range(3):
            push(server, "again", [(now_ns, "once", {})])
        push(server, "again", [(now_ns + 1, "after", {})])
        assert lines(frames(connection, entries=2)) == ["once", "after"]


def test_a_delay_puts_late_lines_in_order(server: LodurServer, now_ns: int) -> None:
    with tail(server, "delay", '{app="a"}', delay_for=2) as connection:
        begun_s = time.monotonic()
        for number in (3, 1, 2, 0):
            push(server, "delay", [(time.time_ns() // 10**9 * 10**9 + number, str(number), {})])
        received = frames(connection, entries=4, deadline_s=8)
        assert sorted(lines(received)) == ["0", "1", "2", "3"]
        assert lines(received[:1]) == sorted(lines(received[:1]))
        assert time.monotonic() - begun_s > 0.5
    with tail(server, "delay", '{app="a"}', delay_for=1, start=now_ns + 600 * 10**9) as connection:
        push(server, "delay", [(time.time_ns() + 300 * 10**9, "a clock that goes before", {})])
        assert lines(frames(connection, entries=1, deadline_s=4)) == ["a clock that goes before"]


def test_categorized_labels(server: LodurServer, now_ns: int) -> None:
    flags = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
    with tail(server, "flags", '{app="a"} | json', headers=flags) as connection:
        push(server, "flags", [(now_ns, '{"n":1}', {"trace": "t"})])
        (frame,) = frames(connection, entries=1)
        assert frame["encodingFlags"] == ["categorize-labels"]
        (stream,) = frame["streams"]
        assert stream["stream"] == {"app": "a", "service_name": "a"}
        parts = stream["values"][0][2]
        assert parts["parsed"] == {"n": "1"}
        assert parts["structuredMetadata"]["trace"] == "t"


def test_the_legacy_form(server: LodurServer) -> None:
    with tail(server, "legacy", '{app="a"}', path="/api/prom/tail") as connection:
        push(server, "legacy", [(time.time_ns(), "x", {})])
        (frame,) = frames(connection, entries=1)
        assert frame["dropped_entries"] is None
        (stream,) = frame["streams"]
        assert stream["labels"].startswith('{app="a", ')
        assert stream["entries"][0]["line"] == "x"
        assert stream["entries"][0]["ts"].endswith("Z")


@pytest.mark.parametrize(
    ("params", "headers", "status", "text"),
    [
        ({"query": '{a="b"'}, {}, 400, "parse error"),
        ({"query": ""}, {}, 400, "parse error : syntax error: unexpected $end"),
        ({"query": '{a="b"}', "delay_for": 6}, {}, 400, "delay_for can't be greater than 5"),
        ({"query": '{a="b"}', "delay_for": "x"}, {}, 400, 'strconv.Atoi: parsing "x": invalid syntax'),
        ({"query": '{a="b"}', "limit": 0}, {}, 400, "limit must be a positive value"),
        ({"query": '{a="b"}', "start": "x"}, {}, 400, "could not parse 'start' parameter"),
        ({"query": '{a="b"}'}, {"X-Scope-OrgID": "a|b"}, 400, "multiple org IDs present"),
        ({"query": '{a="b"}'}, {"X-Scope-OrgID": ""}, 401, "no org id"),
        ({"query": '{a=~".*"}'}, {}, 400, "parse error"),
    ],
)
def test_errors_before_the_upgrade(
    server: LodurServer, params: dict[str, object], headers: dict[str, str], status: int, text: str
) -> None:
    url = f"ws://127.0.0.1:{server.port}/loki/api/v1/tail?{urlencode(params)}"
    with pytest.raises(InvalidStatus) as refused:
        connect(url, additional_headers={"X-Scope-OrgID": "a"} | headers)
    assert refused.value.response.status_code == status
    assert text in refused.value.response.body.decode()


def closing_reason(connection: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as closed:
        frames(connection, entries=10**9)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def test_a_metric_query_is_closed(server: LodurServer) -> None:
    with tail(server, "metric", 'rate({a="b"}[1m])') as connection:
        assert closing_reason(connection) == (1011, "only log selector is supported")


def test_no_handshake(server: LodurServer) -> None:
    answer = ask(server.port, "GET", "/loki/api/v1/tail?query=%7Ba%3D%22b%22%7D", {"X-Scope-OrgID": "a"})
    assert (answer.status, answer.text) == (400, "Bad Request\n")


def test_limits_of_number_and_time(lodur_server: StartLodur) -> None:
    text = "{auth_enabled: false, limits_config: {max_concurrent_tail_requests: 2}, querier: {tail_max_duration: 3s}}"
    server = lodur_server(config_text=text)
    with tail(server, "", '{a="b"}') as first, tail(server, "", '{a="b"}'):
        with tail(server, "", '{a="b"}') as third:
            reason = "max concurrent tail requests limit exceeded, count > limit (3 > 2)"
            assert closing_reason(third) == (1011, reason)
        assert closing_reason(first) == (1011, "reached tail max duration limit")
    wait_until(lambda: open_tails(server) == 0, deadline_s=10, what="the end of the tails")
    with tail(server, "", '{a="b"}') as last:
        assert open_tails(server) == 1
        server.process.send(15)  # type: ignore[arg-type]
        assert closing_reason(last) == (1001, "the server is stopping")
    assert server.process.wait_exit(deadline_s=20) == 0


def seen_and_told(received: bytes) -> tuple[int, int]:
    """Entries in what a socket brought, and those that it says were dropped."""
    told = 0
    for listed, total in re.findall(rb'"dropped_entries":\[(.*?)\](?:,"dropped_entries_total":(\d+))?', received):
        told += int(total) if total else listed.count(b'{"timestamp":')
    return received.count(b'"values":[['), told


def test_a_slow_reader_is_told_of_each_line_it_missed_and_holds_nobody_up(server: LodurServer, now_ns: int) -> None:
    """The slow one reads nothing until all was pushed; the quick one sees every line meanwhile."""
    line = "x" * 4000
    with (
        tail(server, "slow", '{app="a"}') as quick,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow,
    ):
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        path = "/loki/api/v1/tail?" + urlencode({"query": '{app="a"}'})
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Scope-OrgID: slow\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        slow.sendall(f"{head}{key}\r\n\r\n".encode())
        wait_until(lambda: open_tails(server) == 2, deadline_s=10, what="both tails")
        for part in range(30):
            entries: list[Entry] = [(now_ns + part * 300 + number, line, {}) for number in range(300)]
            push(server, "slow", entries)
            assert len(lines(frames(quick, entries=300))) == 300
        push(server, "slow", [(now_ns + 10**6, "the end", {})])
        received = bytearray()
        seen = told = 0
        while seen + told < 9001:
            part_of_it = slow.recv(1 << 20)
            assert part_of_it, "the server closed the connection"
            received += part_of_it
            if len(part_of_it) < 1 << 16:
                seen, told = seen_and_told(bytes(received))
        assert seen + told == 9001
        assert told > 1000
    wait_until(lambda: open_tails(server) == 0, deadline_s=10, what="the end of both tails")


def test_many_tails_at_once_and_nothing_left_behind(server: LodurServer, now_ns: int) -> None:
    """200 tails see all that concerns them; when they leave, no tail is left."""
    apps = [f"app-{number}" for number in range(8)]

    def push_parts(app: str) -> None:
        for first in range(0, 200, 50):
            entries: list[Entry] = [(now_ns + number, f"{app} {number}", {}) for number in range(first, first + 50)]
            push(server, "many", entries, app=app)

    with ExitStack() as stack:
        tails = [stack.enter_context(tail(server, "many", f'{{app="{apps[number % 8]}"}}')) for number in range(200)]
        assert open_tails(server) == 200
        pushers = [threading.Thread(target=push_parts, args=(app,)) for app in apps]
        for pusher in pushers:
            pusher.start()
        for pusher in pushers:
            pusher.join()
        for number, connection in enumerate(tails):
            received = frames(connection, entries=200, deadline_s=30)
            assert sorted(lines(received)) == sorted(f"{apps[number % 8]} {n}" for n in range(200))
            assert not any("dropped_entries" in frame for frame in received)
        # Half of them leave without a word.
        for connection in tails[::2]:
            connection.socket.close()
    wait_until(lambda: open_tails(server) == 0, deadline_s=20, what="the end of all tails")
