"""The collector of OpenTelemetry: what it receives and what it reads from files arrives by OTLP."""

from __future__ import annotations

import json
from pathlib import Path

import orjson

from tests.servers.process import ServerProcess, free_port
from tests.servers.raw_http import ask
from tests.system.clients.conftest import Tenant, go_program, is_listening

START_S = 30.0

CONFIG = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}
  filelog:
    include: [{file}]
    start_at: beginning
    poll_interval: 100ms
    resource: {{service.name: from-file, host.name: host-7}}
processors:
  batch: {{timeout: 200ms}}
exporters:
  otlphttp:
    endpoint: {url}/otlp
    headers: {headers}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    logs: {{receivers: [otlp, filelog], processors: [batch], exporters: [otlphttp]}}
"""


def received(time_ns: int) -> bytes:
    """A request of a program that is instrumented, as JSON."""
    record = {
        "timeUnixNano": str(time_ns),
        "severityNumber": 17,
        "severityText": "ERROR",
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "body": {"stringValue": "cart is gone"},
        "attributes": [{"key": "http.status_code", "value": {"intValue": "500"}}],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]}
    logs = {"resource": resource, "scopeLogs": [{"scope": {"name": "lib.cart"}, "logRecords": [record]}]}
    return orjson.dumps({"resourceLogs": [logs]})


def test_collector(tenant: Tenant, tmp_path: Path) -> None:
    program = go_program("collector")
    port = free_port()
    file = tmp_path / "app.log"
    file.write_text("level=info first\nlevel=warn second\n")
    config = tmp_path / "collector.yaml"
    config.write_text(CONFIG.format(port=port, file=file, url=tenant.server.url, headers=json.dumps(tenant.headers)))
    arguments = [str(program), f"--config=file:{config}"]
    process = ServerProcess(arguments, directory=tmp_path, log_path=tmp_path / "log")
    process.start()
    try:
        process.wait_ready(lambda: is_listening(port), deadline_s=START_S)
        sent = ask(port, "POST", "/v1/logs", {"Content-Type": "application/json"}, received(tenant.since_ns + 10**9))
        assert sent.status == 200
        (cart,) = tenant.wait_for('{service_name="cart"} | http_status_code >= 500', 1)
        assert cart.lines == ["cart is gone"]
        assert cart.labels["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
        assert (cart.labels["scope_name"], cart.labels["detected_level"]) == ("lib.cart", "error")
        read = tenant.wait_for('{service_name="from-file"} | log_file_name="app.log"', 2)
        assert [(each.labels["detected_level"], each.labels["host_name"], each.lines) for each in read] == [
            ("info", "host-7", ["level=info first"]),
            ("warn", "host-7", ["level=warn second"]),
        ]
        assert process.terminate() == 0
    finally:
        process.kill()
