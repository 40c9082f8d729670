"""Promtail: files through its stages, and what it sends when the server comes back."""

from __future__ import annotations

from pathlib import Path

from tests.servers.process import ServerProcess
from tests.system.clients.conftest import PASSWORD, USER, Tenant, go_program

CONFIG = """
server: {{disable: true}}
positions: {{filename: {directory}/positions.yaml}}
clients:
  - url: {url}/loki/api/v1/push
    tenant_id: {tenant}
    basic_auth: {{username: {user}, password: {password}}}
    batchwait: 200ms
scrape_configs:
  - job_name: files
    pipeline_stages:
      - logfmt: {{mapping: {{level: , order: }}}}
      - labels: {{level: }}
      - structured_metadata: {{order: }}
    static_configs:
      - targets: [localhost]
        labels: {{job: shop, __path__: "{directory}/*.log"}}
"""


def test_promtail(tenant: Tenant, tmp_path: Path) -> None:
    program = go_program("promtail")
    config = tmp_path / "promtail.yaml"
    values = {"url": tenant.server.url, "tenant": tenant.name, "user": USER, "password": PASSWORD}
    config.write_text(CONFIG.format(directory=tmp_path, **values))
    file = tmp_path / "app.log"
    file.write_text('level=info order=o-1 msg="cart opened"\n')
    process = ServerProcess([str(program), f"-config.file={config}"], directory=tmp_path, log_path=tmp_path / "log")
    process.start()
    try:
        tenant.wait_for('{job="shop"}', 1)
        with file.open("a") as written:
            written.write("level=error order=o-2 \N{SNOWMAN}\nno pairs at all\n")
        found = tenant.wait_for('{job="shop", filename=~".*app.log"}', 3)
        assert [(each.labels.get("level"), each.labels.get("order"), each.lines) for each in found] == [
            ("error", "o-2", ["level=error order=o-2 \N{SNOWMAN}"]),
            ("info", "o-1", ['level=info order=o-1 msg="cart opened"']),
            (None, None, ["no pairs at all"]),
        ]
        assert {each.labels["service_name"] for each in found} == {"shop"}
        assert process.terminate() == 0
    finally:
        process.kill()
