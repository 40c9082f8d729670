"""Endpoints for operators."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
import structlog
from starlette.applications import Starlette

from lodur.api import loki_admin
from lodur.telemetry.log import LevelSwitch


@pytest.fixture(autouse=True)
def log_settings() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def ask(app: Starlette, method: str, **form: str) -> httpx.Response:
    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lodur") as client:
            return await client.request(method, "/log_level", data=form or None)

    return asyncio.run(asked())


def test_the_level_of_the_log_is_shown_and_changed() -> None:
    async def flush(_within_s: float | None) -> int:
        return 0

    app = Starlette(routes=loki_admin.routes(flush, lambda: None, LevelSwitch("info"), loki_admin.ShutdownMark()))
    assert ask(app, "GET").json() == {"message": "Current log level is info"}
    assert ask(app, "POST", log_level="warn").json() == {"status": "success", "message": "Log level set to warn"}
    assert ask(app, "GET").json() == {"message": "Current log level is warn"}
    refused = ask(app, "POST", log_level="foo")
    assert refused.status_code == 400
    assert refused.json() == {"status": "failed", "message": 'unrecognized log level "foo"'}
    assert ask(app, "DELETE").status_code == 405
