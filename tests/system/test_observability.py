"""What a server tells of itself: its request log, traces sent to a collector, profiles."""

from __future__ import annotations

import gzip
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lodur.model.clock import SystemClock
from tests.conftest import StartLodur
from tests.push_bodies import json_push
from tests.servers.process import wait_until
from tests.servers.raw_http import ask

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
QUERY = "/loki/api/v1/query_range?query=%7Bapp%3D%22a%22%7D"
CONFIG = """
auth_enabled: false
server: {log_level: debug, log_format: json}
"""


class Collector:
    """Takes traces as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.bodies: SimpleQueue[bytes] = SimpleQueue()
        self.url = ""

    def spans(self) -> Iterator[tuple[str, str, str]]:
        """Service, trace and name of each span, as they come; ends after ten seconds without one."""
        while True:
            try:
                body = self.bodies.get(timeout=10)
            except Empty:
                return
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = {pair.key: pair.value.string_value for pair in resource.resource.attributes}["service.name"]
                for scope in resource.scope_spans:
                    yield from ((service, span.trace_id.hex(), span.name) for span in scope.spans)


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.bodies.put(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_log_traces_and_profiles(lodur_server: StartLodur, collector: Collector) -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    server = lodur_server(config_text=CONFIG, environment=environment)
    body = json_push([({"app": "a"}, [(SystemClock().now_ns(), "one", {})])])
    pushed = ask(server.port, "POST", "/loki/api/v1/push", {"Content-Type": "application/json"}, body)
    assert pushed.status == 204
    headers = {
        "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
        "X-Request-Id": "r-1",
        "X-Query-Tags": 'Source="x"',
    }
    answered = ask(server.port, "GET", QUERY, headers, b"")
    assert answered.status == 200

    def logged() -> list[dict[str, object]]:
        return [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]

    # The line is written when the answer has gone.
    wait_until(lambda: any(line.get("id") == "r-1" for line in logged()), deadline_s=10, what="the line of the query")
    lines = logged()
    (queried,) = (line for line in lines if line.get("id") == "r-1")
    expected = {"tenant": "fake", "query": '{app="a"}', "lines": 1, "read_bytes": 3, "trace_id": TRACE, "status": 200}
    assert {name: queried[name] for name in expected} == expected
    assert queried["query_tags"] == "Source=_x_"
    assert int(str(queried["sent_bytes"])) > 100
    (kept,) = (line for line in lines if line.get("path") == "/loki/api/v1/push")
    assert (kept["tenant"], kept["received_bytes"]) == ("fake", len(body))

    seen = set()
    for service, trace, name in collector.spans():
        assert service == "lodur"
        if trace == TRACE:
            seen.add(name)
        if len(seen) == 3:
            break
    assert seen == {"GET loki_api_v1_query_range", "queue", "query"}

    with urllib.request.urlopen(f"{server.url}/debug/pprof/profile?seconds=0.2", timeout=30) as profile:
        assert gzip.decompress(profile.read())
    assert ask(server.port, "GET", "/debug/pprof/profile?seconds=x", {}, b"").status == 400
    assert "seconds=30" in ask(server.port, "GET", "/debug/pprof/", {}, b"").text
    stacks = ask(server.port, "GET", "/debug/pprof/goroutine", {}, b"")
    assert "MainThread" in stacks.text
    assert server.terminate() == 0


def test_a_collector_that_is_gone_stops_nobody(lodur_server: StartLodur) -> None:
    server = lodur_server(environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert ask(server.port, "GET", QUERY, {}, b"").status == 200
    assert server.terminate(deadline_s=30) == 0
