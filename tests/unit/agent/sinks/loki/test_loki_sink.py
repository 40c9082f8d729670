"""The sink against a transport that answers as it is told; batches are real."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

import httpx
from prometheus_client import CollectorRegistry

from lodur.agent.delivery import Chunk, FanOut, Labels, Receipt
from lodur.agent.metrics import AgentMetrics
from lodur.agent.sinks.loki.http import build_http
from lodur.agent.sinks.loki.options import (
    Backoff,
    LokiOptions,
)
from lodur.agent.sinks.loki.sink import QUEUE_BYTES_MAX, LokiSink
from lodur.model.clock import SystemClock
from lodur.wire.client_auth import BasicAuth, Secret

OPTIONS = LokiOptions(
    name="test",
    url="http://loki:3100/loki/api/v1/push",
    batch_wait_s=0.05,
    backoff=Backoff(min_period_s=0.001, max_period_s=0.002, max_tries=4),
    tenant_id="t1",
)

APP: Labels = (("app", "api"),)


class Server:
    """Answers with each status in turn, then with 204; keeps the requests."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status = self.statuses.pop(0) if self.statuses else 204
        return httpx.Response(status, text="first line\nsecond line")


class Fixture:
    """A sink with a server behind it, and what has been settled."""

    def __init__(self, handler: Callable[[httpx.Request], httpx.Response], options: LokiOptions = OPTIONS) -> None:
        self.registry = CollectorRegistry()
        self.settled: list[int] = []
        template = build_http(options, SystemClock(), version="1")
        http = httpx.AsyncClient(
            transport=httpx.MockTransport(handler), headers=template.headers, auth=template.auth, trust_env=False
        )
        self.sink = LokiSink(
            options,
            http=http,
            clock=SystemClock(),
            rng=random.Random(1),
            metrics=AgentMetrics(self.registry),
        )

    def chunk(self, number: int, data: bytes) -> Chunk:
        receipt = Receipt(lambda: self.settled.append(number))
        return Chunk(APP, data, data.count(b"\n"), 1_700_000_000_000_000_000, False, receipt)

    async def deliver(self, *data: bytes) -> None:
        emit = FanOut([self.sink]).emit
        running = asyncio.create_task(self.sink.run())
        for number, text in enumerate(data):
            await emit(self.chunk(number, text))
        await self.sink.close()
        await running

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


def test_sends_one_batch_with_the_headers_of_the_push_protocol() -> None:
    server = Server()
    fixture = Fixture(server)
    asyncio.run(fixture.deliver(b"one\n", b"", b"two\n"))
    (request,) = server.requests
    assert request.headers["Content-Type"] == "application/x-protobuf"
    assert request.headers["X-Scope-OrgID"] == "t1"
    assert request.headers["User-Agent"] == "lodur-agent/1"
    assert "Content-Encoding" not in request.headers
    assert b'{app="api"}' in request.content
    assert fixture.settled == [0, 1, 2]
    assert fixture.metric("promtail_sent_entries_total", host="loki:3100") == 2


def test_a_chunk_without_lines_is_settled_and_not_sent() -> None:
    server = Server()
    fixture = Fixture(server)
    asyncio.run(fixture.deliver(b""))
    assert not server.requests
    assert fixture.settled == [0]


def test_a_batch_does_not_grow_beyond_its_size() -> None:
    server = Server()
    fixture = Fixture(server, replace(OPTIONS, batch_bytes=10))
    asyncio.run(fixture.deliver(b"1234\n", b"5678\n", b"9\n", b"a line longer than the batch\n"))
    assert len(server.requests) == 3
    assert fixture.settled == [0, 1, 2, 3]


def test_tries_again_and_settles_only_after_success() -> None:
    seen: list[list[int]] = []
    server = Server(500, 429, 503)

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(list(fixture.settled))
        return server(request)

    fixture = Fixture(handler)
    asyncio.run(fixture.deliver(b"one\n"))
    assert seen == [[], [], [], []]
    assert fixture.settled == [0]
    assert len({request.content for request in server.requests}) == 1
    assert fixture.metric("promtail_batch_retries_total", host="loki:3100", tenant="t1") == 3


def test_a_refused_batch_is_dropped_counted_and_settled() -> None:
    server = Server(400)
    fixture = Fixture(server)
    asyncio.run(fixture.deliver(b"one\ntwo\n"))
    assert len(server.requests) == 1
    assert fixture.settled == [0]
    labels = {"host": "loki:3100", "tenant": "t1", "reason": "ingester_error"}
    assert fixture.metric("promtail_dropped_entries_total", **labels) == 2


def test_gives_up_after_the_last_try() -> None:
    server = Server(*[500] * 10)
    fixture = Fixture(server)
    asyncio.run(fixture.deliver(b"one\n"))
    assert len(server.requests) == 4
    assert fixture.settled == [0]


def test_a_server_that_cannot_be_reached_is_tried_again() -> None:
    server = Server()
    failures = [httpx.ConnectError("refused"), httpx.ReadTimeout("slow")]

    def handler(request: httpx.Request) -> httpx.Response:
        if failures:
            raise failures.pop()
        return server(request)

    fixture = Fixture(handler)
    asyncio.run(fixture.deliver(b"one\n"))
    assert len(server.requests) == 1
    assert fixture.metric("promtail_request_duration_seconds_count", status_code="-1", host="loki:3100") == 2


def test_external_labels_yield_to_those_of_the_entry() -> None:
    server = Server()
    fixture = Fixture(server, replace(OPTIONS, external_labels=(("app", "no"), ("zone", 'a"b'))))
    asyncio.run(fixture.deliver(b"one\n"))
    assert b'{app="api", zone="a\\"b"}' in server.requests[0].content


def test_credentials_are_sent() -> None:
    server = Server()
    fixture = Fixture(server, replace(OPTIONS, auth=BasicAuth("user", Secret("pass")), headers=(("X-A", "b"),)))
    asyncio.run(fixture.deliver(b"one\n"))
    assert server.requests[0].headers["Authorization"] == "Basic dXNlcjpwYXNz"
    assert server.requests[0].headers["X-A"] == "b"


def test_headers_of_the_protocol_cannot_be_replaced() -> None:
    headers = (("content-type", "text/plain"), ("X-Scope-OrgID", "other"), ("Host", "elsewhere"))
    http = build_http(replace(OPTIONS, headers=headers), SystemClock(), version="1")
    assert http.headers["Content-Type"] == "application/x-protobuf"
    assert http.headers["X-Scope-OrgID"] == "t1"
    assert "Host" not in http.headers


def test_a_full_queue_holds_the_source_back() -> None:
    fixture = Fixture(Server())

    async def fill() -> None:
        emit = FanOut([fixture.sink]).emit
        await emit(fixture.chunk(0, b"x" * (QUEUE_BYTES_MAX - 10_000) + b"\n"))
        waiting = asyncio.create_task(emit(fixture.chunk(1, b"y" * 20_000 + b"\n")))
        await asyncio.wait([waiting], timeout=0.05)
        assert not waiting.done()
        running = asyncio.create_task(fixture.sink.run())
        await waiting
        await fixture.sink.close()
        await running

    asyncio.run(fill())
    assert fixture.settled == [0, 1]
