"""Answers before the body was read: the rest is drained where it is small, else the connection is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from starlette.types import Message, Receive, Scope, Send

from lodur.api.unread_body import DRAINED_MAX_BYTES, UnreadBody

ANNOUNCED_SMALL = [(b"content-length", b"10")]
CHUNKED = [(b"transfer-encoding", b"chunked")]


async def refuse(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 400, "headers": [(b"x", b"y")]})
    await send({"type": "http.response.body", "body": b"no"})


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await refuse(scope, receive, send)


def part(size_bytes: int, *, more: bool) -> Message:
    return {"type": "http.request", "body": b"x" * size_bytes, "more_body": more}


def exchange(
    app: object, headers: Iterable[tuple[bytes, bytes]], body: list[Message], version: str = "1.1"
) -> tuple[list[Message], int]:
    """What was sent, and how many messages of the body were left."""
    sent: list[Message] = []

    async def receive() -> Message:
        if not body:
            await asyncio.get_running_loop().create_future()
        return body.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "http_version": version, "headers": list(headers)}
    asyncio.run(UnreadBody(app)(scope, receive, send))  # type: ignore[arg-type]
    return sent, len(body)


def closes(sent: list[Message]) -> bool:
    return (b"connection", b"close") in sent[0]["headers"]


def test_small_rest_is_read_before_the_answer() -> None:
    sent, left = exchange(refuse, ANNOUNCED_SMALL, [part(5, more=True), part(5, more=False)])
    assert left == 0
    assert not closes(sent)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"0")]])
def test_requests_without_body_are_not_waited_for(headers: list[tuple[bytes, bytes]]) -> None:
    sent, _ = exchange(refuse, headers, [])
    assert not closes(sent)


def test_body_that_was_read_is_not_read_again() -> None:
    sent, left = exchange(read_all, CHUNKED, [part(5, more=True), part(5, more=False), part(1, more=True)])
    assert left == 1
    assert not closes(sent)


def test_long_announced_rest_closes_the_connection() -> None:
    announced = [(b"content-length", str(DRAINED_MAX_BYTES + 1).encode())]
    sent, left = exchange(refuse, announced, [part(5, more=True)])
    assert left == 1
    assert closes(sent)
    assert (b"x", b"y") in sent[0]["headers"]


def test_endless_rest_closes_the_connection() -> None:
    endless = [part(100_000, more=True) for _ in range(10)]
    sent, left = exchange(refuse, CHUNKED, endless)
    assert left > 0
    assert closes(sent)


def test_rest_that_does_not_come_closes_the_connection() -> None:
    sent, _ = exchange(refuse, ANNOUNCED_SMALL, [part(5, more=True)])
    assert closes(sent)


def test_http2_streams_end_without_their_connection() -> None:
    sent, _ = exchange(refuse, [(b"content-length", b"99999999")], [part(5, more=True)], version="2")
    assert not closes(sent)


def test_client_that_is_gone_is_not_waited_for() -> None:
    sent, _ = exchange(refuse, ANNOUNCED_SMALL, [{"type": "http.disconnect"}])
    assert len(sent) == 2
