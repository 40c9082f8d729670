"""Delete requests against a running server: every way of asking leaves out what was deleted.

From memory, from files and from a bucket; before and after the compactor has removed it, and after a restart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from click.testing import CliRunner
from websockets.sync.client import connect

from lodur.cli.main import lodur
from tests.conftest import StartLodur
from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server
from tests.system.test_serve_s3 import config_text as on_s3

S = 10**9
LINES = 600
TIMES = """
limits_config: {reject_old_samples: false}
compactor:
  retention_enabled: true
  delete_request_store: filesystem
  compaction_interval: 200ms
  delete_request_cancel_period: %s
"""
LATER, SOON = "24h", "1s"


def lines() -> list[str]:
    """Every third is secret, of every fifth the customer is seven."""
    return [f'level=info n={n} msg="{"secret" if n % 3 == 0 else "plain"}"' for n in range(LINES)]


def is_deleted(number: int) -> bool:
    return number % 3 == 0 or number % 5 == 0


class Client:
    """Asks one server over the lines of one test."""

    def __init__(self, server: LodurServer, first_ns: int) -> None:
        self.first_ns = first_ns
        self.url = server.url

    def get(self, path: str, params: Mapping[str, str] | None = None) -> httpx.Response:
        return httpx.get(self.url + path, params=params, timeout=30)

    def post(self, path: str, params: Mapping[str, str] | None = None, json: object = None) -> httpx.Response:
        return httpx.post(self.url + path, params=params, json=json, timeout=30)

    def push(self, texts: list[str], *, first: int = 0) -> None:
        values = [
            [str(self.first_ns + (first + number) * S), text, {"customer": "7" if number % 5 == 0 else "8"}]
            for number, text in enumerate(texts)
        ]
        body = {"streams": [{"stream": {"app": "a", "service_name": "a"}, "values": values}]}
        assert self.post("/loki/api/v1/push", json=body).status_code == 204

    def ask(self, path: str, query: str, **params: str) -> Any:
        span = {"start": str(self.first_ns), "end": str(self.first_ns + LINES * S), "query": query, **params}
        answer = self.get(f"/loki/api/v1/{path}", params=span)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def entries(self, query: str = '{app="a"}') -> list[str]:
        result = self.ask("query_range", query, limit="5000", direction="forward")["data"]["result"]
        values = sorted((int(ts_ns), line) for stream in result for ts_ns, line in stream["values"])
        return [line for _, line in values]

    def total(self, query: str) -> float:
        """The sum of an instant query's values just behind the last line."""
        answer = self.get("/loki/api/v1/query", params={"query": query, "time": str(self.first_ns + LINES * S)}).json()
        return sum(float(sample["value"][1]) for sample in answer["data"]["result"])

    def delete(self, query: str) -> str:
        start, end = self.first_ns // S, self.first_ns // S + LINES
        answer = self.post("/loki/api/v1/delete", params={"query": query, "start": str(start), "end": str(end)})
        assert answer.status_code == 204, answer.text
        return answer.headers["X-Delete-Request-ID"]

    def statuses(self) -> set[str]:
        return {one["status"] for one in self.get("/loki/api/v1/delete").json()}

    def flush(self) -> None:
        assert self.post("/flush").status_code == 204


def check_nothing_deleted_is_seen(client: Client) -> None:
    """All ways to ask for what lines hold."""
    kept = [line for number, line in enumerate(lines()) if not is_deleted(number)]
    assert client.entries() == kept
    assert client.entries('{app="a"} |= "secret"') == []
    assert client.entries('{app="a"} | customer="7"') == []
    assert client.total('sum(count_over_time({app="a"}[1h]))') == len(kept)
    assert client.total('sum by (level) (count_over_time({app="a"} | logfmt [1h]))') == len(kept)
    assert client.total('sum(bytes_over_time({app="a"}[1h]))') == sum(map(len, kept))
    assert client.total('sum(sum_over_time({app="a"} | logfmt | unwrap n [1h]))') == sum(
        number for number in range(LINES) if not is_deleted(number)
    )
    assert client.total('sum(count_over_time({app="a"} | customer="8" [1h]))') == len(kept)
    steps = client.ask("query_range", 'sum(count_over_time({app="a"}[10s]))', step="10")["data"]["result"]
    assert sum(float(value) for series in steps for _, value in series["values"]) == len(kept)
    values = client.ask("detected_field/customer/values", '{app="a"}', limit="1000", line_limit="5000")["values"]
    assert values == ["8"]
    assert client.total('sum(count_over_time({app="b"}[1h]))') == 0


def lodur_delete(server: LodurServer, *arguments: str) -> str:
    result = CliRunner().invoke(lodur, ["delete", *arguments, "--addr", server.url])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_makes_lists_and_cancels_requests(lodur_server: StartLodur, now_ns: int) -> None:
    server = lodur_server(config_text="auth_enabled: false\n" + TIMES % LATER)
    client = Client(server, now_ns // S * S - 2 * LINES * S)
    client.push(["one", "two"])
    made = lodur_delete(server, "add", '{app="a"} |= "one"', "--from", str(client.first_ns // S)).strip()
    assert client.entries() == ["two"]
    listed = lodur_delete(server, "list")
    assert f"{made}  received" in listed
    assert '{app="a"} |= "one"' in listed
    lodur_delete(server, "cancel", made)
    assert client.entries() == ["one", "two"]
    assert "cancelled" in lodur_delete(server, "list", "--audit")
    refused = CliRunner().invoke(lodur, ["delete", "add", '{app="a"', "--from", "-1h", "--addr", server.url])
    assert refused.exit_code == 1
    assert "invalid query expression" in refused.output
    assert "^" in refused.output


def server_config(store: str, cancel_period: str, s3_server: Callable[[], S3Server]) -> str:
    if store == "bucket":
        server = s3_server()
        return on_s3(server, server.new_bucket()) + TIMES % cancel_period
    return "auth_enabled: false\n" + TIMES % cancel_period


@pytest.mark.parametrize("store", ["directory", "bucket"])
def test_what_is_deleted_is_gone_for_every_way_of_asking(
    lodur_server: StartLodur, now_ns: int, store: str, request: pytest.FixtureRequest
) -> None:
    text = server_config(store, LATER, lambda: request.getfixturevalue("s3_server"))
    server = lodur_server(config_text=text)
    client = Client(server, now_ns // S * S - 2 * LINES * S)
    half = LINES // 2
    client.push(lines()[:half])
    client.flush()
    client.push(lines()[half:], first=half)
    client.delete('{app="a"} |= "secret"')
    client.delete('{app=~"a|b"} | customer="7"')
    client.push([f"other {number}" for number in range(3)], first=2 * LINES)
    check_nothing_deleted_is_seen(client)
    client.flush()
    check_nothing_deleted_is_seen(client)
    assert server.terminate() == 0
    config = server.directory / "lodur.yaml"
    server.start()
    check_nothing_deleted_is_seen(client)
    assert client.statuses() == {"received"}
    assert server.terminate() == 0
    config.write_text(text.replace(LATER, SOON))
    server.start()
    wait_until(lambda: client.statuses() == {"processed"}, deadline_s=60, what="the removal of what was deleted")
    check_nothing_deleted_is_seen(client)
    trails = client.get("/lodur/api/v1/deletes/audit").json()
    assert sum(trail["removed_entries"] for trail in trails) == sum(map(is_deleted, range(LINES)))
    if store == "directory":
        live = named_segments(server.data)
        assert live
        for path in live:
            assert b"secret" not in path.read_bytes()


def named_segments(data: Path) -> list[Path]:
    manifests = [json.loads(path.read_text()) for path in data.rglob("manifest/*.json")]
    names = [segment["path"] for manifest in manifests for segment in manifest["segments"]]
    return [next(data.rglob(name)) for name in names]


def test_a_live_tail_shows_neither_old_nor_late_entries_that_are_deleted(lodur_server: StartLodur, now_ns: int) -> None:
    server = lodur_server(config_text="auth_enabled: false\n" + TIMES % LATER)
    client = Client(server, now_ns // S * S - 2 * LINES * S)
    client.push(["secret history", "history"])
    client.delete('{app="a"} |= "secret"')
    params = {"query": '{app="a"}', "start": str(client.first_ns), "limit": "10"}
    with connect(f"ws://127.0.0.1:{server.port}/loki/api/v1/tail?{urlencode(params)}") as tail:
        client.push(["late", "secret and late"], first=10)
        seen: list[str] = []
        while len(seen) < 2:
            frame = json.loads(tail.recv(timeout=30))
            seen += [line for stream in frame["streams"] for _, line, *_ in stream["values"]]
        assert seen == ["history", "late"]
