"""Malformed and refused pushes over HTTP: each answered with 4xx and a text that helps, and the server lives on."""

from __future__ import annotations

import gzip
import http.client
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import orjson
import pytest

from lodur.kernels.push_encode import snappy_compress
from tests.conftest import StartLodur
from tests.system.conftest import Connect
from tests.system.pushing import Client, config_text

JSON = "application/json"
PROTO = "application/x-protobuf"
OLD_NS, NEW_NS = "1000000000000000000", "4000000000000000000"


@dataclass(frozen=True)
class Case:
    name: str
    body: bytes
    status: int
    text: str
    """A part of the answer; empty where the wording is the decoder's."""
    content_type: str = JSON
    encoding: str = ""
    path: str = "/loki/api/v1/push"


def stream(values: object, labels: object = None) -> bytes:
    return orjson.dumps({"streams": [{"stream": {"app": "x"} if labels is None else labels, "values": values}]})


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def field(number: int, payload: bytes) -> bytes:
    size, prefix = len(payload), bytes([number << 3 | 2])
    while size > 0x7F:
        prefix += bytes([size & 0x7F | 0x80])
        size >>= 7
    return prefix + bytes([size]) + payload


def proto(labels: bytes, *entries: bytes) -> bytes:
    return snappy_compress(field(1, field(1, labels) + b"".join(field(2, entry) for entry in entries)))


def cases(now_ns: int) -> Iterator[Case]:
    now = str(now_ns)
    yield from json_shapes(now)
    yield from protobuf_shapes()
    yield from headers_and_encodings(now)
    yield from limits(now)


def json_shapes(now: str) -> Iterator[Case]:
    unreadable = {
        "no json": b"hello",
        "half": b'{"streams":[{"stream":{"app":"x"},"values":[["1","a"]',
        "array": b"[]",
        "string": b'"x"',
        "number": b"17",
        "true": b"true",
        "nul bytes": b"\x00\x00\x00\x00",
        "invalid utf8": b'{"streams":"\xff\xfe"}',
        "byte order mark": b"\xef\xbb\xbf{}x",
        "open brace": b"{",
        "deep nesting": b"[" * 100_000,
        "deep objects": b'{"a":' * 50_000,
        "streams is number": b'{"streams":3}',
        "streams is object": b'{"streams":{"a":1}}',
        "stream is string": b'{"streams":["x"]}',
        "labels is list": stream([[now, "a"]], ["app"]),
        "labels is string": stream([[now, "a"]], "app"),
        "values is object": stream({"a": 1}),
        "values is string": stream("x"),
        "value is string": stream(["x"]),
        "value is object": stream([{"ts": now}]),
        "timestamp is number": stream([[int(now), "a"]]),
        "timestamp is true": stream([[True, "a"]]),
        "timestamp is null": stream([[None, "a"]]),
        "timestamp is text": stream([["yesterday", "a"]]),
        "timestamp is empty": stream([["", "a"]]),
        "timestamp is float": stream([["1.5", "a"]]),
        "timestamp too large": stream([["99999999999999999999999", "a"]]),
        "line is number": stream([[now, 5]]),
        "line is object": stream([[now, {"a": "b"}]]),
        "line is list": stream([[now, ["a"]]]),
        "metadata is string": stream([[now, "a", "b"]]),
        "metadata is list": stream([[now, "a", ["b"]]]),
        "metadata value is number": stream([[now, "a", {"b": 1}]]),
        "metadata value is object": stream([[now, "a", {"b": {"c": "d"}}]]),
    }
    for name, body in unreadable.items():
        yield Case(name, body, 400, "")
    yield Case("bad label name", stream([[now, "a"]], {"a-b": "x"}), 400, "couldn't parse labels")
    yield Case("label name begins with digit", stream([[now, "a"]], {"1a": "x"}), 400, "couldn't parse labels")
    yield Case("empty label name", stream([[now, "a"]], {"": "x"}), 400, "")
    yield Case("empty object", b"{}", 422, "error at least one valid stream is required for ingestion")
    yield Case("no streams", b'{"streams":[]}', 422, "at least one valid stream")
    yield Case("other keys only", b'{"logs":[]}', 422, "at least one valid stream")
    yield Case("empty body", b"", 400, "EOF")


def protobuf_shapes() -> Iterator[Case]:
    good = field(1, b"\x08\x01") + field(2, b"line")
    bodies = {
        "not snappy": b"hello there, this is not snappy",
        "snappy of garbage": snappy_compress(b"\xff" * 40),
        "snappy that claims 4 GB": b"\xff\xff\xff\xff\x0f" + b"x" * 20,
        "cut snappy": proto(b'{app="x"}', good)[:-3],
        "wrong wire type": snappy_compress(b"\x0d\x01\x02\x03\x04" * 3),
        "length past the end": snappy_compress(b"\x0a\x7fabc"),
        "endless varint": snappy_compress(b"\x0a" + b"\xff" * 20),
        "labels without braces": proto(b"app", good),
        "labels cut": proto(b'{app="x"', good),
        "labels unquoted": proto(b"{app=x}", good),
        "labels with matcher": proto(b'{app=~"x"}', good),
        "labels with bad name": proto(b'{a-b="x"}', good),
        "labels with bad escape": proto(b'{a="\\q"}', good),
        "labels not utf8": proto(b'{a="\xff\xfe', good),
    }
    for name, body in bodies.items():
        yield Case(f"protobuf: {name}", body, 400, "", content_type=PROTO)
    yield Case("protobuf: empty message", snappy_compress(b""), 422, "at least one valid stream", content_type=PROTO)
    yield Case("protobuf: empty body", b"", 400, "snappy: corrupt input", content_type="")
    yield Case("json as protobuf", b'{"streams":[]}', 400, "snappy", content_type="text/plain")


def headers_and_encodings(now: str) -> Iterator[Case]:
    good = stream([[now, "a"]])
    yield Case("unknown encoding", good, 400, 'Content-Encoding "br" not supported', encoding="br")
    yield Case("gzip that is none", good, 400, "gzip: invalid header", encoding="gzip")
    yield Case("cut gzip", gzip.compress(good)[:-12], 400, "", encoding="gzip")
    yield Case("gzip of nothing", gzip.compress(b""), 400, "", encoding="gzip")
    yield Case("deflate that is none", good, 400, "", encoding="deflate")
    yield Case("cut deflate", deflate(good)[:-4], 400, "", encoding="deflate")
    yield Case("malformed media type", good, 400, "mime: ", content_type="application/")
    yield Case("malformed parameter", good, 400, "mime: invalid media parameter", content_type=f"{JSON}; charset")


def limits(now: str) -> Iterator[Case]:
    yield Case(
        "too old", stream([[OLD_NS, "a"]]), 400, "has timestamp too old: 2001-09-09T01:46:40Z, oldest acceptable"
    )
    yield Case("too new", stream([[NEW_NS, "a"]]), 400, "has timestamp too new: 2096-10-02T07:06:40Z")
    yield Case("line too long", stream([[now, "x" * 300_000]]), 400, "max entry size '262144' bytes exceeded")
    many = {f"l{number}": "x" for number in range(20)}
    yield Case("too many labels", stream([[now, "a"]], many), 400, "has 20 label names; limit 15")
    yield Case("long name", stream([[now, "a"]], {"n" * 2000: "x"}), 400, "has label name too long: 'nnn")
    yield Case("long value", stream([[now, "a"]], {"app": "v" * 3000}), 400, "has label value too long: 'vvv")
    metadata = {"m": "x" * 70_000}
    yield Case("large metadata", stream([[now, "a", metadata]]), 400, "has structured metadata too large: '70001'")
    pairs = {f"m{number}": "x" for number in range(200)}
    yield Case("many metadata", stream([[now, "a", pairs]]), 400, "has too many structured metadata labels: '200'")
    yield Case("several", stream([[OLD_NS, "a"], [NEW_NS, "b"]]), 400, "1 errors like: entry for stream")


def send(client: Client, case: Case) -> str:
    headers = {"Content-Type": case.content_type} if case.content_type else {}
    if case.encoding:
        headers["Content-Encoding"] = case.encoding
    return client.request("POST", case.path, case.body, headers).decode()


def test_each_malformed_push_is_refused_with_a_text(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    server = lodur_server(config_text=config_text())
    client = connect(server)
    all_cases = list(cases(now_ns))
    assert len(all_cases) >= 60
    wrong: list[str] = []
    for case in all_cases:
        text = send(client, case)
        if client.status != case.status or case.text not in text or not text.endswith("\n") or len(text) < 4:
            wrong.append(f"{case.name}: {client.status} {text[:200]!r}")
    assert not wrong, "\n".join(wrong)
    assert server.is_ready()
    assert client.push(stream([[str(now_ns), "still here"]])) == 204
    assert client.lines('{app="x"}', now_ns - 10**9, now_ns + 10**9) == ["still here"]


def test_what_is_valid_is_kept_beside_what_is_not(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    server = lodur_server(config_text=config_text(flush_on_shutdown=False))
    client = connect(server)
    text = send(client, Case("", stream([[str(now_ns), "good"], [OLD_NS, "old"]]), 400, ""))
    assert client.status == 400
    assert "timestamp too old" in text
    assert client.lines('{app="x"}', now_ns - 10**9, now_ns + 10**9) == ["good"]
    server.restart()
    assert connect(server).lines('{app="x"}', now_ns - 10**9, now_ns + 10**9) == ["good"]
    metrics = connect(server).request("GET", "/metrics").decode()
    assert "loki_distributor_lines_received_total" not in metrics.split("# HELP loki_discarded", 1)[1]


@pytest.mark.parametrize("headers", [{}, {"X-Scope-OrgID": ""}])
def test_without_a_tenant_nothing_is_taken(
    lodur_server: StartLodur, connect: Connect, now_ns: int, headers: dict[str, str]
) -> None:
    client = connect(lodur_server("-auth.enabled=true"))
    body = client.request("POST", "/loki/api/v1/push", stream([[str(now_ns), "a"]]), headers | {"Content-Type": JSON})
    assert (client.status, body) == (401, b"no org id\n")


def test_rates_and_streams_are_limited(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    client = connect(
        lodur_server(
            "-distributor.ingestion-rate-limit-mb=0.001",
            "-distributor.ingestion-burst-size-mb=0.001",
            "-ingester.max-global-streams-per-user=2",
        )
    )
    text = send(client, Case("", stream([[str(now_ns), "x" * 5000]]), 429, ""))
    assert client.status == 429
    assert text.startswith("ingestion rate limit exceeded for user fake (limit: 1048 bytes/sec) while attempting to ")
    assert "ingest '1' lines totaling '5000' bytes" in text
    for number in range(2):
        assert client.push(stream([[str(now_ns), "a"]], {"app": str(number)})) == 204
    text = send(client, Case("", stream([[str(now_ns), "a"]], {"app": "third"}), 429, ""))
    assert client.status == 429
    assert "maximum active stream limit exceeded when trying to create stream {app=" in text
    metrics = client.request("GET", "/metrics").decode()
    assert 'loki_discarded_samples_total{reason="rate_limited",tenant="fake"} 1.0' in metrics
    assert 'loki_discarded_samples_total{reason="stream_limit",tenant="fake"} 1.0' in metrics


def test_large_bodies_are_refused_before_they_are_read(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    client = connect(lodur_server("-distributor.max-recv-msg-size=10KB", "-distributor.max-decompressed-size=20KB"))
    text = send(client, Case("", stream([[str(now_ns), "x" * 11_000]]), 413, ""))
    assert client.status == 413
    assert text.startswith("request body too large: ")
    client.close()
    bomb = gzip.compress(stream([[str(now_ns), "x" * 1_000_000]]))
    text = send(client, Case("", bomb, 413, "", encoding="gzip"))
    assert client.status == 413
    assert text.startswith("request body too large: ")


def test_refusals_leave_the_connection_open(lodur_server: StartLodur, now_ns: int) -> None:
    """A refusal that needs only the head of a request must not cut off the body that is under way."""
    server = lodur_server(config_text=config_text())
    body = stream([[str(now_ns), "a"]])

    def survives() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.connect()
        connection.auto_open = 0
        with closing(connection):
            connection.putrequest("POST", "/loki/api/v1/push")
            for name, value in (("Content-Encoding", "br"), ("Content-Length", str(len(body)))):
                connection.putheader(name, value)
            connection.endheaders()
            assert server.is_ready()  # By now the head has been seen.
            connection.send(body)
            refusal = connection.getresponse()
            assert (refusal.status, refusal.read()[:16]) == (400, b"Content-Encoding")
            if refusal.will_close:
                return False
            connection.request("POST", "/loki/api/v1/push", body, {"Content-Type": JSON})
            return connection.getresponse().status == 204

    # The server waits a second for the body, which a busy machine may let pass now and then.
    assert any(survives() for _ in range(5))
