"""A server whose store is a container of Azurite: pushes, flushes, merges, a restart."""

from __future__ import annotations

from tests.conftest import StartLodur
from tests.servers.azurite import AzuriteServer
from tests.servers.process import wait_until
from tests.system.conftest import Connect
from tests.system.pushing import DAY_NS, push_body

CONFIG = """\
auth_enabled: false
common: {{path_prefix: data}}
storage_config:
  azure: {{connection_string: "{connection}", container_name: {container}}}
schema_config:
  configs:
    - {{from: "2020-01-01", store: tsdb, object_store: azure, schema: v13, index: {{prefix: index_, period: 24h}}}}
compactor: {{compaction_interval: 200ms}}
lodur:
  compactor: {{target_bytes: 4KiB, reader_grace: 0s}}
"""

PUSHES = 8


def test_segments_are_written_merged_and_read_again(
    lodur_server: StartLodur, connect: Connect, azurite_server: AzuriteServer, now_ns: int
) -> None:
    text = CONFIG.format(connection=azurite_server.connection_string(), container=azurite_server.new_container())
    server = lodur_server(config_text=text)
    client = connect(server)
    lines: list[str] = []
    for number in range(PUSHES):
        body, pushed = push_body(1, number, now_ns)
        assert client.push(body) == 204
        client.request("POST", "/flush")
        assert client.status == 204
        lines += pushed
    wait_until(lambda: "segments deleted that were replaced" in server.log(), deadline_s=60, what="a merge")
    server.restart()
    client = connect(server)
    assert sorted(client.lines('{app="crash"}', now_ns - 2 * DAY_NS, now_ns + DAY_NS)) == sorted(lines)
    assert client.metric('sum(count_over_time({app="crash"}[3d]))', now_ns + 10**9) == len(lines)
    assert "level=error" not in server.log(), server.log()[-4000:]
