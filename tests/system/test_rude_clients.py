"""Clients that dribble, stall or go away: everybody else is served meanwhile, and nothing of them stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.push_bodies import Entry, json_push
from tests.servers.lodur import LodurServer
from tests.servers.memory import peak_bytes
from tests.servers.process import wait_until
from tests.servers.raw_http import ask, exchange, request_bytes

CLIENTS = int(os.environ.get("LODUR_RUDE_CLIENTS", "60"))
"""Rude clients at a time; a soak takes thousands."""

WAITING_CONNECTIONS = 1_500
"""More than a server has requests under way: agents that keep their connection until their next push."""

READ_TIMEOUT_S = 2

CONFIG = f"""
auth_enabled: false
server:
  http_server_read_timeout: {READ_TIMEOUT_S}s
limits_config:
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
"""

ANSWER_MAX_S = 5.0
"""Others must be served sooner than that, on a machine that is busy with other things."""

PUSH, RANGE = "/loki/api/v1/push", "/loki/api/v1/query_range"
JSON = {"Content-Type": "application/json"}
HEAD = f"POST {PUSH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LodurServer]:
    """A server with enough lines that a query over them takes a while."""
    server = LodurServer(tmp_path_factory.mktemp("rude"), config_text=CONFIG)
    server.start()
    for part in range(20):
        entries: list[Entry] = [(time.time_ns() + n, f"{part} {n} " + "abcdefgh " * 100, {}) for n in range(2_000)]
        assert ask(server.port, "POST", PUSH, JSON, json_push([({"app": "rude"}, entries)])).status == 204
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def _clean_log(server: LodurServer) -> Iterator[None]:
    before = len(server.log())
    yield
    written = server.log()[before:]
    assert "Traceback" not in written
    assert "level=error" not in written


def connected(server: LodurServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def assert_serves(server: LodurServer) -> None:
    """A push and a query of somebody who behaves, soon."""
    begun_s = time.monotonic()
    body = json_push([({"app": "polite"}, [(time.time_ns(), "a line", {})])])
    assert ask(server.port, "POST", PUSH, JSON, body).status == 204
    query = urlencode({"query": '{app="polite"}', "limit": 1})
    answer = ask(server.port, "GET", f"{RANGE}?{query}")
    assert answer.status == 200
    assert json.loads(answer.text)["data"]["result"]
    assert time.monotonic() - begun_s < ANSWER_MAX_S


def in_flight(server: LodurServer) -> float:
    """Requests that are being served, but for the one that asks."""
    text = ask(server.port, "GET", "/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("loki_inflight_requests{")]
    return sum(float(line.split()[-1]) for line in lines) - 1


def test_dribbled_pushes_are_ended_and_nobody_waits_for_them(server: LodurServer) -> None:
    clients = [connected(server) for _ in range(CLIENTS)]
    with contextlib.ExitStack() as stack:
        for client in clients:
            stack.enter_context(client)
            client.sendall(f"{HEAD}Content-Length: 1000000\r\n\r\n".encode())
        end_s = time.monotonic() + READ_TIMEOUT_S / 2
        while time.monotonic() < end_s:
            for client in clients:
                client.sendall(b" ")
            assert_serves(server)
        for client in clients:
            answer = client.recv(4096)
            assert b" 503 " in answer.splitlines()[0]
            assert b"the body did not arrive within 2 s" in answer
    wait_until(lambda: in_flight(server) == 0, deadline_s=10, what="the end of all dribbled pushes")


def test_a_push_in_small_pieces_is_a_push(server: LodurServer) -> None:
    body = json_push([({"app": "pieces"}, [(time.time_ns(), "a line", {})])])
    sent = request_bytes("POST", PUSH, JSON, body)
    with connected(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(sent)):
            client.sendall(sent[at : at + 1])
        assert b" 204 " in client.recv(4096).splitlines()[0]


def test_a_form_that_does_not_arrive_is_ended(server: LodurServer) -> None:
    head = f"POST {RANGE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with connected(server) as client:
        client.sendall(f"{head}Content-Length: 100\r\n\r\nquery=".encode())
        answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the body did not arrive within 2 s" in answer


def test_dribbled_heads_keep_nobody_out(server: LodurServer) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(server)) for _ in range(CLIENTS)]
        for byte in HEAD.encode():
            for client in clients:
                client.sendall(bytes([byte]))
        assert_serves(server)


def test_waiting_connections_keep_nobody_out(server: LodurServer) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(WAITING_CONNECTIONS):
            client = stack.enter_context(connected(server))
            if number % 2:
                client.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert_serves(server)


@pytest.mark.parametrize("form", [True, False])
def test_uploads_that_break_off_are_forgotten(server: LodurServer, form: bool) -> None:
    before = peak_bytes(server)
    target, kind = (RANGE, "application/x-www-form-urlencoded") if form else (PUSH, "application/json")
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 9000000\r\n\r\n"
    for _ in range(CLIENTS):
        with connected(server) as client:
            client.sendall(head.encode() + b"x" * 3_000_000)
    wait_until(lambda: in_flight(server) == 0, deadline_s=10, what="the end of all broken uploads")
    assert peak_bytes(server) - before < 300 * 2**20
    assert_serves(server)


def test_queries_of_clients_that_left_stop(server: LodurServer) -> None:
    """A pattern that no index helps, over everything, by many: whoever stays must not wait for those who left."""
    query = urlencode({"query": 'sum(count_over_time({app="rude"} |~ "(a.*){9}h.?$" [1h]))', "step": "1s"})
    for _ in range(CLIENTS):
        with connected(server) as client:
            client.sendall(f"GET {RANGE}?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    wait_until(lambda: in_flight(server) == 0, deadline_s=20, what="the end of all queries without a client")
    assert_serves(server)


def test_answers_that_nobody_reads_keep_nobody_out(server: LodurServer) -> None:
    query = urlencode({"query": '{app="rude"}', "limit": 5000})
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(connected(server))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(f"GET {RANGE}?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert_serves(server)
    wait_until(lambda: in_flight(server) == 0, deadline_s=20, what="the end of all answers that nobody read")


def test_requests_behind_each_other_on_one_connection(server: LodurServer) -> None:
    """Pipelined requests, a bad one among them, are answered in order or the connection ends."""
    good = b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"
    bad = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(server) as client:
        client.sendall(good + bad + good)
        client.shutdown(socket.SHUT_WR)
        received = b""
        while part := client.recv(65_536):
            received += part
    assert received.startswith(b"HTTP/1.1 200")
    assert_serves(server)


def test_all_at_once(server: LodurServer) -> None:
    """Every kind of rudeness at the same time, while others are served."""
    stop = threading.Event()
    upload = f"{HEAD}Content-Length: 500000\r\n\r\n".encode() + b"x" * 1000
    query = urlencode({"query": '{app="rude"} |~ "(a.*){9}h.?$"'})
    rude = [upload, f"GET {RANGE}?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), b"\x00" * 50, b"GET / HT"]

    def be_rude(sent: bytes) -> None:
        # Faster than this they would only measure how fast connections are accepted.
        while not stop.wait(0.02):
            with contextlib.suppress(OSError), connected(server) as client:
                client.sendall(sent)

    threads = [threading.Thread(target=be_rude, args=(sent,)) for sent in rude]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert_serves(server)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    wait_until(lambda: in_flight(server) == 0, deadline_s=20, what="the end of all rude requests")
    assert exchange(server.port, request_bytes("GET", "/ready")).status == 200
