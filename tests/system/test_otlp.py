"""OpenTelemetry logs over HTTP: a real SDK as the client, refusals as its exporter reads them, and what survives."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from tests.conftest import StartLodur
from tests.push_bodies import bytes_field
from tests.servers.lodur import LodurServer
from tests.system.conftest import Connect
from tests.system.pushing import Client, config_text

JSON = "application/json"
PROTO = "application/x-protobuf"
LOGS = "/otlp/v1/logs"

TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331

Stream = tuple[dict[str, str], list[tuple[str, str]]]


def streams(client: Client, query: str, now_ns: int) -> list[Stream]:
    """All labels of each group of entries, and times and lines."""
    span = {"start": str(now_ns - 10**9), "end": str(now_ns + 10**12), "direction": "forward"}
    body = client.get("/loki/api/v1/query_range", {"query": query, **span})
    assert client.status == 200, body
    result = orjson.loads(body)["data"]["result"]
    found = [(stream["stream"], [(ts, line) for ts, line in stream["values"]]) for stream in result]
    return sorted(found, key=lambda stream: stream[1])


def emit(server: LodurServer, now_ns: int, compression: Compression) -> None:
    """Send records of all kinds with the SDK of OpenTelemetry."""
    resource = Resource(
        {
            "service.name": "cart",
            "k8s.namespace.name": "shop",
            "host.name": "node-7",
            "process.command_args": ["a", "b"],
        }
    )
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPLogExporter(endpoint=f"{server.url}{LOGS}", compression=compression, timeout=20)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("lib.cart", "1.2.3", attributes={"team": "blue"})
    context = SpanContext(TRACE_ID, SPAN_ID, is_remote=False, trace_flags=TraceFlags(1))
    logger.emit(
        LogRecord(
            timestamp=now_ns,
            observed_timestamp=now_ns + 5,
            context=set_span_in_context(NonRecordingSpan(context)),
            severity_number=SeverityNumber.WARN,
            severity_text="WARN",
            body="cart is slow",
            attributes={"http.status_code": 200, "ok": True, "ratio": 0.25, "user": {"id": "u1", "tags": ["x", 1]}},
            event_name="slow",
        )
    )
    logger.emit(
        LogRecord(
            timestamp=now_ns + 1,
            observed_timestamp=now_ns + 1,
            severity_number=SeverityNumber.ERROR3,
            body={"msg": "failed", "codes": [1, 2.5, None, b"\x01"]},
        )
    )
    logger.emit(LogRecord(observed_timestamp=now_ns + 2, body="level=debug from the line"))
    assert provider.force_flush(20_000)
    provider.shutdown()


def expected(now_ns: int) -> list[Stream]:
    labels = {"service_name": "cart", "k8s_namespace_name": "shop"}
    shared = labels | {
        "host_name": "node-7",
        "process_command_args": '["a","b"]',
        "scope_name": "lib.cart",
        "scope_version": "1.2.3",
        "team": "blue",
    }
    first = shared | {
        "detected_level": "warn",
        "event_name": "slow",
        "flags": "1",
        "http_status_code": "200",
        "observed_timestamp": str(now_ns + 5),
        "ok": "true",
        "ratio": "0.25",
        "severity_number": "13",
        "severity_text": "WARN",
        "span_id": f"{SPAN_ID:016x}",
        "trace_id": f"{TRACE_ID:032x}",
        "user_id": "u1",
        "user_tags": '["x",1]',
    }
    second = shared | {
        "detected_level": "error",
        "observed_timestamp": str(now_ns + 1),
        "severity_number": "19",
    }
    third = shared | {"detected_level": "debug"}
    return [
        (first, [(str(now_ns), "cart is slow")]),
        (second, [(str(now_ns + 1), '{"codes":[1,2.5,null,"AQ=="],"msg":"failed"}')]),
        (third, [(str(now_ns + 2), "level=debug from the line")]),
    ]


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_what_the_sdk_sends_is_found(
    lodur_server: StartLodur, connect: Connect, now_ns: int, compression: Compression
) -> None:
    server = lodur_server(config_text=config_text(flush_on_shutdown=False))
    emit(server, now_ns, compression)
    client = connect(server)
    assert streams(client, '{service_name="cart"}', now_ns) == expected(now_ns)
    in_trace = f'{{k8s_namespace_name="shop"}} | trace_id="{TRACE_ID:032x}"'
    assert streams(client, in_trace, now_ns) == expected(now_ns)[:1]
    server.restart()
    assert streams(connect(server), '{service_name="cart"}', now_ns) == expected(now_ns)


OTLP_CONFIG = """\
  otlp_config:
    resource_attributes:
      ignore_defaults: true
      attributes_config: [{action: index_label, attributes: [host.name]}, {action: drop, regex: "process[.].*"}]
    scope_attributes: [{action: drop, attributes: [team]}]
    log_attributes: [{action: drop, regex: "user|ratio"}]
    severity_text_as_label: true
"""


def test_rows_read_back_have_the_labels_they_were_accepted_with(
    lodur_server: StartLodur, connect: Connect, now_ns: int
) -> None:
    plain = config_text(flush_on_shutdown=False)
    server = lodur_server(config_text=plain.replace("limits_config:\n", "limits_config:\n" + OTLP_CONFIG))
    emit(server, now_ns, Compression.Gzip)
    warned, *others = streams(connect(server), '{host_name="node-7"}', now_ns)
    assert {"host_name", "severity_text", "service_name", "http_status_code", "k8s_namespace_name"} <= warned[0].keys()
    assert not {"process_command_args", "team", "ratio", "user_id", "user_tags"} & warned[0].keys()
    labels = connect(server).get("/loki/api/v1/series", {"match[]": '{severity_text="WARN"}'})
    assert orjson.loads(labels)["data"] == [
        {"host_name": "node-7", "service_name": "unknown_service", "severity_text": "WARN"}
    ]
    server.kill()
    # By now other attributes become labels; that holds for what comes from here on.
    (server.directory / "lodur.yaml").write_text(plain)
    server.start()
    client = connect(server)
    assert streams(client, '{host_name="node-7"}', now_ns) == [warned, *others]
    emit(server, now_ns, Compression.Gzip)
    assert streams(client, '{k8s_namespace_name="shop", service_name="cart"}', now_ns) == expected(now_ns)


@dataclass(frozen=True)
class Case:
    name: str
    body: bytes
    status: int
    text: str
    content_type: str = JSON
    encoding: str = ""


def record(**members: object) -> bytes:
    return orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [members]}]}]})


def nested(levels: int) -> bytes:
    value = bytes_field(1, b"x")
    for _ in range(levels):
        value = bytes_field(5, bytes_field(1, value))
    return bytes_field(1, bytes_field(2, bytes_field(2, bytes_field(5, value))))


def cases(now_ns: int) -> Iterator[Case]:
    good = record(timeUnixNano=str(now_ns), body={"stringValue": "a"})
    yield Case("other media type", good, 400, "content type: text/plain is not supported", "text/plain")
    charset = f"{JSON}; charset=utf-8"
    yield Case("charset", good, 400, f"content type: {charset} is not supported", charset)
    unsupported = "unsupported content encoding snappy: only gzip, lz4 and zstd are supported"
    yield Case("other encoding", good, 400, unsupported, encoding="snappy")
    yield Case("no gzip", good, 400, "gzip: invalid header", encoding="gzip")
    yield Case("no lz4", good, 400, "lz4: ", encoding="lz4")
    yield Case("no json", b"nonsense", 400, "push body is wrong at byte 0")
    yield Case("empty json", b"", 400, "EOF")
    yield Case("no protobuf", b"\x01\x02", 400, "proto: illegal tag 1", PROTO)
    yield Case("cut protobuf", nested(3)[:-2], 400, "proto: unexpected EOF", PROTO)
    yield Case("deep protobuf", nested(1000), 400, "proto: values nested deeper than 24", PROTO)
    yield Case("deep json", b'{"resourceLogs":' + b"[" * 100_000, 400, "expected an object, found an array")
    nothing = "error at least one valid stream is required for ingestion"
    yield Case("empty object", b"{}", 422, nothing)
    yield Case("empty message", b"", 422, nothing, PROTO)
    yield Case(
        "too old", record(timeUnixNano="1000000000000000000"), 400, "has timestamp too old: 2001-09-09T01:46:40Z"
    )
    yield Case("line too long", record(body={"stringValue": "x" * 300_000}), 400, "max entry size '262144' bytes")
    many = [{"key": f"k{number}", "value": {"intValue": 1}} for number in range(200)]
    yield Case("many attributes", record(attributes=many), 400, "has too many structured metadata labels: '200'")
    million = bytes_field(6, bytes_field(1, b"k")) * (1 + (1 << 20))
    flood = bytes_field(1, bytes_field(2, bytes_field(2, million)))
    yield Case("a flood of attributes", gzip.compress(flood), 413, "request body too large: more than", PROTO, "gzip")
    bomb = gzip.compress(b"\x00" * (600 << 20), 1)
    yield Case("gzip bomb", bomb, 413, "request body too large", PROTO, "gzip")
    shared = bytes_field(1, bytes_field(1, b"r") + bytes_field(2, bytes_field(1, b"x" * 60_000)))
    records = bytes_field(2, bytes_field(2, b"") * 100_000)
    repeated = gzip.compress(bytes_field(1, bytes_field(1, shared) + records))
    yield Case("a resource repeated without end", repeated, 413, "with the attributes that they share", PROTO, "gzip")


def test_refusals_are_statuses(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    server = lodur_server(config_text=config_text())
    client = connect(server)
    wrong: list[str] = []
    for case in cases(now_ns):
        headers = {"Content-Type": case.content_type} | ({"Content-Encoding": case.encoding} if case.encoding else {})
        answer = client.request("POST", LOGS, case.body, headers)
        message = message_of(answer)
        if client.status != case.status or case.text not in message:
            wrong.append(f"{case.name}: {client.status} {answer[:200]!r}")
    assert not wrong, "\n".join(wrong)
    assert server.is_ready()
    body = record(timeUnixNano=str(now_ns), body={"stringValue": "still here"})
    assert client.request("POST", LOGS, body, {"Content-Type": JSON}) == b""
    assert client.status == 204
    for path in (f"{LOGS}/", "/v1/logs", "/otlp"):
        client.request("POST", path, body, {"Content-Type": JSON})
        assert client.status == 404
    client.request("GET", LOGS)
    assert client.status == 405


def message_of(status: bytes) -> str:
    """The message of a `google.rpc.Status` that has nothing else; empty for other bytes."""
    if not status.startswith(b"\x12"):
        return ""
    begin = next(at for at in range(1, len(status)) if status[at] < 0x80) + 1
    message = status[begin:]
    return message.decode() if bytes_field(2, message) == status else ""


def test_a_part_is_kept_and_rates_are_told(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    limits = "limits_config:\n  max_line_size: 10\n  otlp_config: {}\n"
    text = config_text(flush_on_shutdown=False).replace("limits_config:\n", limits)
    text = text.replace("ingestion_burst_size_mb: 1024", "ingestion_burst_size_mb: 0.001")
    server = lodur_server(config_text=text.replace("ingestion_rate_mb: 1024", "ingestion_rate_mb: 0.001"))
    client = connect(server)
    lines = ["short", "much too long"]
    records = [{"timeUnixNano": str(now_ns), "body": {"stringValue": line}} for line in lines]
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()
    assert "max entry size '10' bytes" in message_of(client.request("POST", LOGS, body, {"Content-Type": JSON}))
    assert client.status == 400
    large = record(attributes=[{"key": "k", "value": {"stringValue": "x" * 3000}}])
    assert "ingestion rate limit exceeded" in message_of(client.request("POST", LOGS, large, {"Content-Type": JSON}))
    assert client.status == 429
    server.restart()
    assert connect(server).lines("{service_name=~`.+`}", now_ns - 10**9, now_ns + 10**9) == ["short"]


def test_the_tenant_is_asked_first(lodur_server: StartLodur, connect: Connect) -> None:
    client = connect(lodur_server(config_text=config_text().replace("auth_enabled: false", "auth_enabled: true")))
    assert client.request("POST", LOGS, b"x", {"Content-Type": "text/plain"}) == b"no org id\n"
    assert client.status == 401
