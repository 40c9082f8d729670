"""Fixed paths are found at once, and mean what they mean to the router."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from lodur.api.exact_routes import ExactRoutes, exact_routes


def answering(text: str) -> Route:
    async def answer(_: Request) -> Response:
        return Response(text)

    path, _, methods = text.partition(" ")
    return Route(path, answer, methods=methods.split(","))


async def failing(_: Request) -> Response:
    raise ValueError("a bug")


async def router(scope: Scope, receive: Receive, send: Send) -> None:
    await Response("router")(scope, receive, send)


async def ask(app: ExactRoutes, method: str, path: str, sent: list[Message]) -> None:
    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}, receive, send)


ROUTES = [
    answering("/rules GET"),
    answering("/rules POST,PUT"),
    answering("/rules GET,DELETE"),
    answering("/{name}/values GET"),
    answering("/app/values GET"),
]


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/p/rules", "/rules GET"),
        ("PUT", "/p/rules", "/rules POST,PUT"),
        ("DELETE", "/p/rules", "/rules GET,DELETE"),
        ("PATCH", "/p/rules", "router"),
        ("GET", "/rules", "router"),
        ("GET", "/p/rules/", "router"),
        ("GET", "/p/app/values", "router"),
    ],
)
def test_the_first_route_that_takes_the_method_answers(method: str, path: str, answer: str) -> None:
    for route in ROUTES:
        (route.methods or set()).discard("HEAD")
    sent: list[Message] = []
    asyncio.run(ask(ExactRoutes(router, exact_routes(ROUTES, "/p")), method, path, sent))
    assert sent[-1]["body"] == answer.encode()


def test_a_bug_is_answered_and_goes_on() -> None:
    sent: list[Message] = []
    app = ExactRoutes(router, exact_routes([Route("/", failing)], ""))
    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(ask(app, "GET", "/", sent))
    assert sent[0]["status"] == 500
    assert sent[1]["body"] == b"Internal Server Error"
