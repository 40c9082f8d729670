"""Pages for operators and their tools: configuration, shutdown, rings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from lodur.api import loki_admin, loki_rings, loki_status
from lodur.api.loki_admin import ShutdownMark
from lodur.model.clock import ManualClock
from lodur.telemetry.log import LevelSwitch


@dataclass
class Pages:
    """All pages, and what they did."""

    done: list[str] = field(default_factory=list)
    mark: ShutdownMark = field(default_factory=ShutdownMark)
    overrides: str | None = None
    left: int = 0
    """Tenants whose rows cannot be flushed in time."""

    def ask(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        async def flush(within_s: float | None) -> int:
            self.done.append("flush")
            return self.left if within_s is not None else 0

        state = loki_status.ServerState(
            lambda: None,
            lambda mode: f"mode: '{mode}'\n",
            lambda mode: self.overrides and f"{self.overrides} '{mode}'",
            lambda: ("all", "ruler"),
        )
        app = Starlette(
            routes=[
                *loki_admin.routes(flush, lambda: self.done.append("stop"), LevelSwitch("info"), self.mark),
                *loki_rings.routes("host<1>", "127.0.0.1:3100", ManualClock(1_700_000_000 * 10**9)),
                *loki_status.routes(state, CollectorRegistry()),
            ]
        )  # fmt: skip

        async def answered() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://lodur") as client:
                return await client.request(method, target, headers=dict(headers or {}), data=dict(form or {}))

        return asyncio.run(answered())


@pytest.mark.parametrize("mode", ["", "diff", "defaults"])
def test_modes_of_the_configuration(mode: str) -> None:
    answer = Pages().ask("GET", f"/config?mode={mode}")
    assert (answer.status_code, answer.text) == (200, f"mode: '{mode}'\n")


def test_modes_of_the_runtime_configuration() -> None:
    assert Pages(overrides="o").ask("GET", "/runtime_config").text == "o ''"
    assert Pages(overrides="o").ask("GET", "/runtime_config?mode=diff").text == "o 'diff'"
    assert Pages().ask("GET", "/runtime_config").text == "runtime config file doesn't exist"


def test_services() -> None:
    assert Pages().ask("GET", "/services").text == "all => Running\nruler => Running\n"


def test_a_shutdown_is_prepared_and_not() -> None:
    pages = Pages()
    assert pages.ask("GET", "/ingester/prepare_shutdown").text == "unset"
    assert pages.ask("POST", "/ingester/prepare_shutdown").status_code == 204
    assert pages.ask("GET", "/ingester/prepare_shutdown").text == "set"
    assert pages.mark.is_set
    assert pages.ask("DELETE", "/ingester/prepare_shutdown").status_code == 204
    assert pages.ask("GET", "/ingester/prepare_shutdown").text == "unset"


def test_a_flush_that_is_not_done_in_time_says_so() -> None:
    assert Pages().ask("POST", "/flush").status_code == 204
    answer = Pages(left=2).ask("POST", "/flush")
    assert answer.status_code == 504
    assert answer.text == (
        "rows of 2 tenants are not in segments yet; what was begun goes on: ask again, and where that does not "
        "help see the server's log for failed flushes\n"
    )
    # Who stops a server for good waits for as long as it takes.
    pages = Pages(left=2)
    assert pages.ask("POST", "/ingester/shutdown").status_code == 204
    assert pages.done == ["flush", "stop"]


@pytest.mark.parametrize(
    ("query", "done"),
    [
        ("", ["flush", "stop"]),
        ("?flush=false", ["stop"]),
        ("?terminate=false", ["flush"]),
        ("?flush=false&terminate=false&delete_ring_tokens=true", []),
        ("?flush=1&terminate=F", ["flush"]),
    ],
)
def test_parameters_of_a_shutdown(query: str, done: list[str]) -> None:
    pages = Pages()
    assert pages.ask("POST", f"/ingester/shutdown{query}").status_code == 204
    assert pages.done == done


@pytest.mark.parametrize("name", ["flush", "terminate", "delete_ring_tokens"])
def test_what_is_no_switch_stops_nothing(name: str) -> None:
    pages = Pages()
    answer = pages.ask("POST", f"/ingester/shutdown?{name}=maybe")
    assert answer.status_code == 400
    assert answer.text == f"invalid value for {name}: 'maybe', use true or false\n"
    assert pages.done == []


@pytest.mark.parametrize("path", loki_rings.RINGS)
def test_rings(path: str) -> None:
    (member,) = Pages().ask("GET", path, headers={"Accept": "application/json"}).json()["shards"]
    assert member["state"] == "ACTIVE"
    assert member["address"] == "127.0.0.1:3100"
    assert member["timestamp"] == "2023-11-14T22:13:20Z"
    assert set(member) == {
        "id", "state", "address", "timestamp", "registered_timestamp", "read_only", "zone", "tokens"
    }  # fmt: skip
    page = Pages().ask("GET", path)
    assert page.headers["content-type"].startswith("text/html")
    assert "host&lt;1&gt;" in page.text
    assert Pages().ask("POST", path).status_code == 302


def test_memberlist() -> None:
    assert Pages().ask("GET", "/memberlist").text == "This instance doesn't use memberlist."
