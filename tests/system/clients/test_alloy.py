"""Grafana Alloy: files through stages into `loki.write`, and OpenTelemetry's logs through its receiver."""

from __future__ import annotations

from pathlib import Path

import orjson

from scripts.install_test_clients import alloy_client
from tests.servers.process import ServerProcess, free_port, wait_until
from tests.servers.raw_http import ask
from tests.system.clients.conftest import PASSWORD, USER, Tenant, installed, is_listening

OLD_ROUTES = {"GODEBUG": "httpmuxgo121=1"}
"""A profiler that this Alloy links registers routes that newer versions of Go refuse."""

CONFIG = """
logging {{ level = "warn" }}

local.file_match "shop" {{
  path_targets = [{{__path__ = "{directory}/*.log", job = "shop"}}]
}}
loki.source.file "shop" {{
  targets    = local.file_match.shop.targets
  forward_to = [loki.process.shop.receiver]
}}
loki.process "shop" {{
  forward_to = [loki.write.out.receiver]
  stage.logfmt {{ mapping = {{level = "", order = ""}} }}
  stage.labels {{ values = {{level = ""}} }}
  stage.structured_metadata {{ values = {{order = ""}} }}
}}
loki.write "out" {{
  endpoint {{
    url        = "{url}/loki/api/v1/push"
    tenant_id  = "{tenant}"
    batch_wait = "200ms"
    basic_auth {{
      username = "{user}"
      password = "{password}"
    }}
  }}
  external_labels = {{site = "north"}}
}}

otelcol.receiver.otlp "in" {{
  http {{ endpoint = "127.0.0.1:{otlp_port}" }}
  output {{ logs = [otelcol.exporter.otlphttp.out.input] }}
}}
otelcol.exporter.otlphttp "out" {{
  client {{
    endpoint = "{url}/otlp"
    headers  = {{"X-Scope-OrgID" = "{tenant}", "Authorization" = "{authorization}"}}
  }}
}}
"""


def test_alloy(tenant: Tenant, tmp_path: Path) -> None:
    program = installed(alloy_client)
    otlp_port = free_port()
    config = tmp_path / "config.alloy"
    config.write_text(
        CONFIG.format(
            directory=tmp_path,
            otlp_port=otlp_port,
            url=tenant.server.url,
            tenant=tenant.name,
            user=USER,
            password=PASSWORD,
            authorization=tenant.headers["Authorization"],
        )
    )
    file = tmp_path / "app.log"
    file.write_text('level=info order=o-1 msg="cart opened"\n')
    command = [
        str(program),
        f"--storage.path={tmp_path / 'data'}",
        f"--server.http.listen-addr=127.0.0.1:{free_port()}",
        "--disable-reporting",
        str(config),
    ]
    process = ServerProcess(command, directory=tmp_path, log_path=tmp_path / "alloy.out", environment=OLD_ROUTES)
    process.start()
    try:
        _reads_files(tenant, file)
        _takes_opentelemetry(tenant, otlp_port)
        assert process.terminate() == 0
    finally:
        process.kill()


def _reads_files(tenant: Tenant, file: Path) -> None:
    tenant.wait_for('{job="shop"}', 1)
    with file.open("a") as written:
        written.write("level=error order=o-2 \N{SNOWMAN}\n")
    found = tenant.wait_for('{job="shop", filename=~".*app.log"}', 2)
    assert [(each.labels["level"], each.labels["order"], each.lines) for each in found] == [
        ("error", "o-2", ["level=error order=o-2 \N{SNOWMAN}"]),
        ("info", "o-1", ['level=info order=o-1 msg="cart opened"']),
    ]
    assert {(each.labels["site"], each.labels["service_name"]) for each in found} == {("north", "shop")}


def _takes_opentelemetry(tenant: Tenant, port: int) -> None:
    wait_until(lambda: is_listening(port), deadline_s=30, what="Alloy's receiver")
    record = {
        "timeUnixNano": str(tenant.since_ns + 10**9),
        "severityText": "WARN",
        "body": {"stringValue": "stock is low"},
        "attributes": [{"key": "item", "value": {"stringValue": "tea"}}],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "stock"}}]}
    logs = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}
    answer = ask(port, "POST", "/v1/logs", {"Content-Type": "application/json"}, orjson.dumps(logs))
    assert answer.status == 200, answer.text
    (found,) = tenant.wait_for('{service_name="stock"}', 1)
    assert (found.lines, found.labels["item"], found.labels["severity_text"]) == (["stock is low"], "tea", "WARN")
