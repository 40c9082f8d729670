"""Names of routes in metrics, refusals while the server is not ready, and what is logged."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Scope

from lodur.api.application import build_application
from lodur.api.request_log import RouteNames
from lodur.model.clock import ManualClock
from lodur.telemetry.request_metrics import RequestMetrics


async def answer(_: Request) -> Response:
    return Response(b"x" * 5000)


ROUTES = [
    Route("/", answer),
    Route("/ready", answer),
    Route("/loki/api/v1/push", answer, methods=["POST"]),
    Route("/loki/api/v1/label/{name}/values", answer),
]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/loki/api/v1/push", "loki_api_v1_push"),
        ("/loki/api/v1/label/app/values", "loki_api_v1_label_name_values"),
        ("/", "root"),
        ("/loki/api/v1/pushed", "other"),
        ("/" + "x" * 1000, "other"),
    ],
)
def test_paths_have_few_names(path: str, name: str) -> None:
    assert RouteNames(ROUTES).of(path) == name


def application(
    *, reason: str | None = None, prefix: str = "", compress: bool = False
) -> tuple[ASGIApp, CollectorRegistry]:
    registry = CollectorRegistry()
    app = build_application(
        ROUTES,
        path_prefix=prefix,
        compress_responses=compress,
        log_slower_than_s=0.0,
        metrics=RequestMetrics(registry),
        clock=ManualClock(),
        not_ready_reason=lambda: reason,
    )
    return app, registry


def ask(
    app: ASGIApp, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, bytes, dict[str, str]]:
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
    }

    async def served() -> None:
        await app(scope, receive, send)

    asyncio.run(served())
    body = b"".join(message.get("body", b"") for message in messages[1:])
    found = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    return messages[0]["status"], body, found


def test_while_not_ready_only_status_pages_answer() -> None:
    app, _ = application(reason="reading back the write-ahead log")
    status, body, headers = ask(app, "/loki/api/v1/push", "POST")
    assert (status, body, headers["retry-after"]) == (503, b"reading back the write-ahead log\n", "1")
    assert ask(app, "/ready")[0] == 200


def test_unknown_paths_and_methods_are_told_plainly() -> None:
    app, _ = application()
    assert ask(app, "/nope")[:2] == (404, b"404 page not found\n")
    status, body, headers = ask(app, "/loki/api/v1/push", "GET")
    assert (status, body, headers["allow"]) == (405, b"", "POST")
    assert ask(app, "/ready", "HEAD")[:2] == (405, b"")


def test_requests_are_counted_by_route() -> None:
    app, registry = application(prefix="/logs")
    assert ask(app, "/logs/loki/api/v1/push", "POST")[0] == 200
    assert ask(app, "/loki/api/v1/push", "BREW")[0] == 404
    counted = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status_code"])
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "loki_request_duration_seconds_count"
    }
    assert counted == {("POST", "loki_api_v1_push", "200"), ("other", "loki_api_v1_push", "404")}


def test_answers_are_compressed_where_that_is_wanted() -> None:
    accepts = {"accept-encoding": "gzip"}
    assert "content-encoding" not in ask(application()[0], "/ready", headers=accepts)[2]
    status, body, headers = ask(application(compress=True)[0], "/ready", headers=accepts)
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert len(body) < 1000


def test_requests_have_an_identity() -> None:
    app, _ = application()
    assert ask(app, "/ready", headers={"x-request-id": "r-7"})[2]["x-request-id"] == "r-7"
    made = {ask(app, "/ready")[2]["x-request-id"] for _ in range(3)}
    assert len(made) == 3
