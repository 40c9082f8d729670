"""The directory of the write-ahead log is deleted under a running server: what would be lost is not accepted."""

from __future__ import annotations

import shutil

from tests.conftest import StartLodur
from tests.servers.process import wait_until
from tests.system.conftest import Connect
from tests.system.pushing import push_body

JSON = {"Content-Type": "application/json"}


def test_nothing_is_accepted_that_would_be_lost(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    server = lodur_server()
    client = connect(server)
    assert client.push(push_body(1, 1, now_ns)[0]) == 204
    shutil.rmtree(server.data / "wal")
    wait_until(
        lambda: client.push(push_body(1, 2, now_ns)[0]) == 503, deadline_s=20, what="the refusal after the next look"
    )
    refusal = client.request("POST", "/loki/api/v1/push", push_body(1, 3, now_ns)[0], JSON)
    assert b"wal cannot be used: no such file or directory" in refusal
    assert b"lodur_wal_disk_used_ratio NaN" in client.get("/metrics", {})
    assert "Traceback" not in server.log()
