"""Whatever is pushed, the server says what is wrong with it, goes on, and does not grow."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.push_bodies import json_push
from tests.servers.lodur import LodurServer
from tests.servers.memory import peak_bytes
from tests.servers.raw_http import CLOSED, Answer, ask, exchange, parse_answer, request_bytes
from tests.system.malformed_pushes import (
    CONFIG,
    DECOMPRESSED_MAX,
    GOOD_JSON,
    JSON,
    MALFORMED,
    MIB,
    PUSH,
    TENANT,
    Malformed,
    malformed_at,
)

TEXT_CHARS_MAX = 20_000
"""A refusal that repeats what it refuses must not be as long as that."""

GROWTH_MAX_BYTES = 8 * DECOMPRESSED_MAX
"""Peak over the start: four bodies are decoded at once, each with its rows."""

HEADERS = JSON | TENANT


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LodurServer]:
    server = LodurServer(tmp_path_factory.mktemp("lodur"), config_text=CONFIG)
    server.start()
    push_well(server)
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def _clean_log(server: LodurServer) -> Iterator[None]:
    """No test may make the server log an error."""
    before = len(server.log())
    yield
    written = server.log()[before:]
    assert "Traceback" not in written
    assert "level=error" not in written


def push_well(server: LodurServer, headers: dict[str, str] | None = None) -> None:
    """A push that must be taken."""
    body = json_push([({"app": "well"}, [(time.time_ns(), "a good line", {})])])
    answer = ask(server.port, "POST", PUSH, headers or HEADERS, body)
    assert (answer.status, answer.text) == (204, "")


def assert_unharmed(server: LodurServer) -> None:
    assert server.process.is_running()
    push_well(server)


def check(server: LodurServer, push: Malformed) -> None:
    answer = ask(server.port, push.method, push.path, push.headers, push.body)
    assert (answer.status, answer.text) == (push.status, answer.text)
    assert push.says in answer.text
    assert len(answer.text) <= TEXT_CHARS_MAX
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def case_id(value: str | bytes) -> str:
    """Bodies bear the time: a test named by them would have another name in each process that collects it."""
    return value if isinstance(value, str) else f"{len(value)} bytes"


@pytest.mark.parametrize("push", MALFORMED, ids=lambda push: push.name[:60])
def test_a_malformed_push_is_told_what_is_wrong(server: LodurServer, push: Malformed) -> None:
    check(server, push)
    assert server.process.is_running()


def test_entries_beyond_the_limits_are_told_which(server: LodurServer) -> None:
    for push in malformed_at(time.time_ns() // 10**9):
        check(server, push)
    assert_unharmed(server)


def test_there_are_enough_of_them() -> None:
    assert len(MALFORMED) >= 60
    assert len({push.name for push in MALFORMED}) == len(MALFORMED)


def now_push(*, line: str = "line", metadata: str = "", tail: str = "", labels: str = '"app":"odd"') -> bytes:
    """A push of this moment, in JSON that need not be well formed."""
    values = f'["{time.time_ns()}","{line}"{metadata}]'
    return f'{{"streams":[{{"stream":{{{labels}}},"values":[{values}]}}]}}{tail}'.encode()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("text behind the end", now_push(tail=" and more")),
        ("a NUL in a line", now_push(line="a\0b")),
        ("a line feed in a line", now_push(line="a\nb")),
        ("an empty line", now_push(line="")),
        ("an entry without a line", b'{"streams":[{"stream":{"a":"b"},"values":[["%d"]]}]}' % time.time_ns()),
        ("an empty entry list", b'{"streams":[{"stream":{"a":"b"},"values":[]}]}'),
        ("a label twice", now_push(labels='"app":"x","app":"y"')),
        ("a label that is a number", now_push(labels='"app":7')),
        ("an empty label value", now_push(labels='"app":""')),
        ("more elements than are known", now_push(metadata=',{"a":"b"},7,[8]')),
        ("unknown members", b'{"x":[{"y":null}],' + now_push()[1:]),
        ("invalid UTF-8", now_push().replace(b"line", b"\xff\xfe\x80")),
        ("a byte order of blanks", b"\r\n\t " + now_push()),
    ],
    ids=case_id,
)
def test_what_others_take_is_taken(server: LodurServer, name: str, body: bytes) -> None:
    answer = ask(server.port, "POST", PUSH, HEADERS, body)
    assert (answer.status, answer.text) == (204, ""), name


GOOD_HEAD = f"POST {PUSH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Scope-OrgID: outsider\r\n"


def refused_or_closed(answer: Answer) -> bool:
    return answer == CLOSED or 400 <= answer.status < 500


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64),
        ("an empty line only", b"\r\n\r\n"),
        ("HTTP/0.9", b"GET /ready\r\n\r\n"),
        ("HTTP/9.9", b"GET /ready HTTP/9.9\r\nHost: x\r\n\r\n"),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 64),
        ("a target of 200000 bytes", b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("a header of 2 MB", GOOD_HEAD.encode() + b"X-A: " + b"a" * 2 * MIB + b"\r\n\r\n"),
        ("5000 headers", GOOD_HEAD.encode() + b"X-A: a\r\n" * 5000 + b"\r\n"),
        ("a header without a name", GOOD_HEAD.encode() + b": a\r\n\r\n"),
        ("a header without a colon", GOOD_HEAD.encode() + b"nonsense\r\n\r\n"),
        ("a NUL in a header", GOOD_HEAD.encode() + b"X-A: a\0b\r\n\r\n"),
        ("a blank before the colon", GOOD_HEAD.encode() + b"Content-Length : 5\r\n\r\nxxxxx"),
        ("a negative length", GOOD_HEAD.encode() + b"Content-Length: -5\r\n\r\n"),
        ("a length that is a word", GOOD_HEAD.encode() + b"Content-Length: many\r\n\r\n"),
        ("a length beyond 64 bits", GOOD_HEAD.encode() + b"Content-Length: 99999999999999999999\r\n\r\n"),
        ("two lengths that differ", GOOD_HEAD.encode() + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxxx"),
        ("a huge length", GOOD_HEAD.encode() + b"Content-Length: 9223372036854775807\r\n\r\nx"),
        (
            "a chunk whose size is a word",
            GOOD_HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n",
        ),
        ("a chunk of 2^64", GOOD_HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nx\r\n"),
        ("an unknown transfer encoding", GOOD_HEAD.encode() + b"Transfer-Encoding: cat\r\n\r\nx"),
        ("a body shorter than announced", GOOD_HEAD.encode() + b"Content-Length: 500\r\n\r\n" + GOOD_JSON),
        ("chunks without an end", GOOD_HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\n5\r\nxxxxx\r\n"),
        ("a chunk cut off", GOOD_HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\nffff\r\nxxxxx"),
    ],
    ids=case_id,
)
def test_what_is_no_http_is_refused_or_closed(server: LodurServer, name: str, sent: bytes) -> None:
    answer = exchange(server.port, sent, half_close=True)
    assert refused_or_closed(answer), f"{name}: {answer}"
    assert_unharmed(server)


def test_chunks_together_are_bounded(server: LodurServer) -> None:
    """A body in chunks announces no length; it is counted as it comes."""
    head = GOOD_HEAD.encode() + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    answer = exchange(server.port, head + chunk * 80 + b"0\r\n\r\n")
    assert answer == CLOSED or (answer.status == 413 and "request body too large" in answer.text)
    assert_unharmed(server)


def test_two_tenant_headers_are_one_tenant_or_none(server: LodurServer) -> None:
    """Whoever puts a second header behind a proxy's must not reach another tenant by it unnoticed."""
    sent = request_bytes("POST", PUSH, HEADERS | {"x-scope-orgid": "other"}, now_push())
    answer = exchange(server.port, sent)
    assert answer.status in (204, 400)
    asked = {"X-Scope-OrgID": "other"}
    labels = ask(server.port, "GET", "/loki/api/v1/labels", asked)
    assert (labels.status, labels.text) == (200, '{"status":"success"}')


def test_a_client_that_expects_to_go_on_may(server: LodurServer) -> None:
    body = now_push()
    head = GOOD_HEAD + f"Expect: 100-continue\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        received = b""
        while part := connection.recv(4096):
            received += part
    assert parse_answer(received).status == 204


def test_all_of_it_together_leaves_the_server_small(server: LodurServer) -> None:
    """Last of this module: everything above has been sent by now, here the largest once more."""
    before = peak_bytes(server)
    for push in MALFORMED:
        if len(push.body) > 10_000:
            check(server, push)
    assert peak_bytes(server) - before < GROWTH_MAX_BYTES
    assert peak_bytes(server) < 100 * MIB + GROWTH_MAX_BYTES
    assert_unharmed(server)
