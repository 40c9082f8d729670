"""curl, with the requests that the documentation of Loki's own API shows."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import orjson
import pytest

from tests.push_bodies import json_push
from tests.system.clients.conftest import Tenant


def curl(tenant: Tenant, *words: str) -> bytes:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    access = ["--user", tenant.account, "--header", f"X-Scope-OrgID: {tenant.name}"]
    command = ["curl", "--silent", "--show-error", "--fail", *access, *words]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_curl(tenant: Tenant, tmp_path: Path, compressed: bool) -> None:
    body = json_push([({"app": "shop"}, [(tenant.since_ns + 10**9, 'a "quoted" line', {"trace_id": "t1"})])])
    file = tmp_path / "body"
    file.write_bytes(gzip.compress(body) if compressed else body)
    encoding = ["--header", "Content-Encoding: gzip"] if compressed else []
    push = ["--header", "Content-Type: application/json", *encoding, "--data-binary", f"@{file}"]
    assert curl(tenant, *push, f"{tenant.server.url}/loki/api/v1/push") == b""
    query = [
        "--get",
        "--data-urlencode",
        'query={app="shop"} |= "quoted"',
        "--data-urlencode",
        f"start={tenant.since_ns}",
    ]
    found = orjson.loads(curl(tenant, *query, f"{tenant.server.url}/loki/api/v1/query_range"))["data"]["result"]
    assert [(each["stream"]["trace_id"], each["values"][0][1]) for each in found] == [("t1", 'a "quoted" line')]
    asked = ["--data-urlencode", 'query=sum(count_over_time({app="shop"}[1h]))']
    counted = orjson.loads(curl(tenant, *asked, f"{tenant.server.url}/loki/api/v1/query"))
    assert [each["value"][1] for each in counted["data"]["result"]] == ["1"]
