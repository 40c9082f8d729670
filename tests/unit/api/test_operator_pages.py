"""Pages for operators and their tools: log level, configuration, shutdown, rings, limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx
import pytest
import structlog
import yaml
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from lodur.api import loki_admin, loki_limits, loki_log_level, loki_rings, loki_status
from lodur.api.loki_admin import ShutdownMark
from lodur.api.loki_log_level import LogLevel
from lodur.api.tenant import Tenancy
from lodur.model.clock import ManualClock
from lodur.model.limits import Limits
from lodur.telemetry.log import LEVELS, change_level


@dataclass
class Pages:
    """All pages, and what they did."""

    auth_enabled: bool = True
    done: list[str] = field(default_factory=list)
    mark: ShutdownMark = field(default_factory=ShutdownMark)
    level: LogLevel = field(init=False)

    def __post_init__(self) -> None:
        self.level = LogLevel("info", LEVELS, lambda level: self.done.append(level))

    def ask(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        async def flush() -> None:
            self.done.append("flush")

        state = loki_status.ServerState(lambda: None, lambda mode: f"mode: '{mode}'\n", lambda: ("all", "ruler"))
        app = Starlette(
            routes=[
                *loki_admin.routes(flush, lambda: self.done.append("stop"), self.mark),
                *loki_log_level.routes(self.level),
                *loki_rings.routes("host<1>", "127.0.0.1:3100", ManualClock(1_700_000_000 * 10**9)),
                *loki_limits.routes(
                    lambda _: Limits(),
                    lambda _: "ingestion_rate_mb: 4\n",
                    Tenancy(self.auth_enabled),
                    patterns_enabled=True,
                ),
                *loki_status.routes(state, CollectorRegistry()),
            ]
        )  # fmt: skip

        async def answered() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://lodur") as client:
                return await client.request(method, target, headers=dict(headers or {}), data=dict(form or {}))

        return asyncio.run(answered())


def test_log_level() -> None:
    pages = Pages()
    assert pages.ask("GET", "/log_level").json() == {"message": "Current log level is info"}
    changed = pages.ask("POST", "/log_level", form={"log_level": "warn"})
    assert changed.json() == {"status": "success", "message": "Log level set to warn"}
    assert pages.ask("GET", "/log_level").json() == {"message": "Current log level is warn"}
    assert pages.ask("POST", "/log_level?log_level=debug").status_code == 200
    wrong = pages.ask("POST", "/log_level", form={"log_level": "foo"})
    assert wrong.status_code == 400
    assert wrong.json() == {"status": "failed", "message": 'unrecognized log level "foo"'}
    assert pages.ask("POST", "/log_level").json()["message"] == 'unrecognized log level ""'
    assert pages.done == ["warn", "debug"]


@pytest.fixture
def _kept_log() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("_kept_log")
def test_a_changed_level_holds_for_loggers_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.configure(cache_logger_on_first_use=False)
    log = structlog.get_logger("before")
    change_level("error")
    log.warning("hidden")
    change_level("debug")
    log.debug("shown")
    assert "hidden" not in (said := capsys.readouterr().out)
    assert "shown" in said


@pytest.mark.parametrize("mode", ["", "diff", "defaults"])
def test_modes_of_the_configuration(mode: str) -> None:
    answer = Pages().ask("GET", f"/config?mode={mode}")
    assert (answer.status_code, answer.text) == (200, f"mode: '{mode}'\n")


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


@pytest.mark.parametrize("auth_enabled", [True, False])
def test_limits_want_a_tenant_named(auth_enabled: bool) -> None:
    pages = Pages(auth_enabled)
    for path in ("/loki/api/v1/drilldown-limits", "/config/tenant/v1/limits"):
        refused = pages.ask("GET", path)
        assert (refused.status_code, refused.text) == (401, "no org id\n")
        assert pages.ask("GET", path, headers={"X-Scope-OrgID": "a"}).status_code == 200


def test_limits() -> None:
    headers = {"X-Scope-OrgID": "a"}
    shown = Pages().ask("GET", "/loki/api/v1/drilldown-limits", headers=headers).json()
    assert shown["pattern_ingester_enabled"] is True
    limits = shown["limits"]
    assert limits["max_query_length"] == "30d1h"
    assert limits["max_query_bytes_read"] == "0B"
    assert limits["query_timeout"] == "1m"
    assert limits["max_query_lookback"] == "0s"
    assert limits["max_entries_limit_per_query"] == 5000
    assert limits["discover_service_name"][0] == "service"
    text = Pages().ask("GET", "/config/tenant/v1/limits", headers=headers).text
    assert yaml.safe_load(text) == {"ingestion_rate_mb": 4}
