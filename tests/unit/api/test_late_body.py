"""A body that does not arrive: the reader stops waiting, the client is told."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from lodur.api import late_body
from lodur.api.late_body import LateBody


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        body = await Request(scope, receive).body()
    except ClientDisconnect:
        body = b"gone"
    await Response(body)(scope, receive, send)


async def answer_first(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(b"no")(scope, receive, send)
    await receive()


def exchange(app: object, parts: list[bytes], *, version: str = "1.1", timeout_s: float = 0.02) -> tuple[int, bytes]:
    """Status and body of the answer to a request whose last part never comes."""
    sent: list[Message] = []
    left = list(parts)

    async def receive() -> Message:
        if not left:
            await asyncio.get_running_loop().create_future()
        return {"type": "http.request", "body": left.pop(0), "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"transfer-encoding", b"chunked")] if version == "1.1" else []
    scope = {"type": "http", "method": "POST", "path": "/", "http_version": version, "headers": headers}
    asyncio.run(asyncio.wait_for(LateBody(app, timeout_s)(scope, receive, send), 20))  # type: ignore[arg-type]
    return sent[0]["status"], sent[1]["body"]


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_body, "GRACE_S", 0.0)


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("parts", [[], [b"a", b"b"]])
def test_who_is_too_slow_is_told(parts: list[bytes], version: str) -> None:
    status, text = exchange(read_all, parts, version=version)
    assert status == 408
    assert text == b"the body did not arrive within 0.02 s (server.http_server_read_timeout)\n"


def test_an_answer_that_was_given_stays() -> None:
    assert exchange(answer_first, []) == (200, b"no")


def test_paths_that_see_to_it_themselves_are_left_alone() -> None:
    received: list[Receive] = []

    async def noting(_: Scope, receive: Receive, __: Send) -> None:
        received.append(receive)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_: Message) -> None:
        pass

    app = LateBody(noting, 1.0, frozenset({"/push"}))
    for path in ("/push", "/other"):
        scope = {"type": "http", "path": path, "http_version": "1.1", "headers": [(b"content-length", b"1")]}
        asyncio.run(app(scope, receive, send))
    assert received[0] is receive
    assert received[1] is not receive
