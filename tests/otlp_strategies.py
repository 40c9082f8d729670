"""Hypothesis strategies for OpenTelemetry logs, and the protobuf form of what they make."""

from __future__ import annotations

import base64
import struct
from typing import Any, TypeAlias

from hypothesis import strategies as st

from lodur.model.otlp import DEFAULT_INDEX_LABELS, OtlpAction, OtlpMapping, OtlpRule
from tests.push_bodies import bytes_field, number_field, varint

Json: TypeAlias = Any
"""A body in its JSON form, as `json.dumps` takes it."""

KEYS = ("service.name", "cloud.region", "host.name", "a", "a.b", "a_b", "9x", "ü:y", "severity_text", "scope.name")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
keys = st.sampled_from(KEYS)
scalars = st.one_of(
    st.just({}),
    texts.map(lambda text: {"stringValue": text}),
    st.booleans().map(lambda truth: {"boolValue": truth}),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: {"intValue": str(number)}),
    st.floats().map(lambda number: {"doubleValue": number if number == number and abs(number) < 1e308 else "NaN"}),
    st.binary(max_size=5).map(lambda raw: {"bytesValue": base64.b64encode(raw).decode()}),
)


def _composites(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.one_of(
        st.lists(inner, max_size=3).map(lambda items: {"arrayValue": {"values": items}}),
        st.lists(st.tuples(st.one_of(keys, texts), inner), max_size=3).map(
            lambda pairs: {"kvlistValue": {"values": [{"key": key, "value": value} for key, value in pairs]}}
        ),
    )


values = st.recursive(scalars, _composites, max_leaves=8)
attributes = st.lists(st.tuples(keys, values).map(lambda pair: {"key": pair[0], "value": pair[1]}), max_size=4)


def _optional(**members: st.SearchStrategy[Json]) -> st.SearchStrategy[dict[str, Json]]:
    return st.fixed_dictionaries({}, optional=members)


times = st.integers(0, 2**63 - 1).map(str)
records = _optional(
    timeUnixNano=times,
    observedTimeUnixNano=times,
    severityNumber=st.integers(0, 24),
    severityText=st.sampled_from(("", "INFO", "Warning", "odd one")),
    body=values,
    attributes=attributes,
    droppedAttributesCount=st.integers(0, 2**32 - 1),
    flags=st.integers(0, 2**32 - 1),
    traceId=st.one_of(st.just(""), st.binary(min_size=16, max_size=16).map(bytes.hex)),
    spanId=st.one_of(st.just(""), st.binary(min_size=8, max_size=8).map(bytes.hex)),
    eventName=texts,
)
scopes = _optional(name=texts, version=texts, attributes=attributes, droppedAttributesCount=st.integers(0, 3))
scope_logs = _optional(scope=scopes, logRecords=st.lists(records, max_size=3))
resource_logs = _optional(resource=_optional(attributes=attributes), scopeLogs=st.lists(scope_logs, max_size=2))
bodies = st.lists(resource_logs, min_size=1, max_size=3).map(lambda each: {"resourceLogs": each})

_EXPRESSIONS = ("a.*", "[^.]*", ".*name", "host[.]name|9x")


def _rules(*actions: OtlpAction) -> st.SearchStrategy[tuple[OtlpRule, ...]]:
    named = st.builds(
        OtlpRule, st.sampled_from(actions), st.lists(keys, min_size=1, max_size=3).map(tuple), st.just("")
    )
    matched = st.builds(OtlpRule, st.sampled_from(actions), st.just(()), st.sampled_from(_EXPRESSIONS))
    return st.lists(st.one_of(named, matched), max_size=3).map(tuple)


_DEFAULT_RULE = OtlpRule(OtlpAction.INDEX_LABEL, DEFAULT_INDEX_LABELS)

mappings = st.one_of(
    st.just(OtlpMapping()),
    st.builds(
        OtlpMapping,
        resource=st.one_of(_rules(*OtlpAction), _rules(*OtlpAction).map(lambda rules: (_DEFAULT_RULE, *rules))),
        scope=_rules(OtlpAction.STRUCTURED_METADATA, OtlpAction.DROP),
        log=_rules(*OtlpAction),
        severity_text_as_label=st.booleans(),
    ),
)


def as_protobuf(body: Json) -> bytes:
    """An `ExportLogsServiceRequest` that says what the JSON form says."""
    return b"".join(bytes_field(1, _resource_logs(each)) for each in body["resourceLogs"])


def _resource_logs(each: Json) -> bytes:
    resource = _attributes(1, each["resource"]) if "resource" in each else b""
    logs = b"".join(bytes_field(2, _scope_logs(scope)) for scope in each.get("scopeLogs", []))
    # The owner last, where senders put it first: both are allowed.
    return logs + bytes_field(1, resource)


def _scope_logs(each: Json) -> bytes:
    scope = each.get("scope", {})
    owner = (
        bytes_field(1, scope.get("name", "").encode())
        + bytes_field(2, scope.get("version", "").encode())
        + _attributes(3, scope)
        + number_field(4, scope.get("droppedAttributesCount", 0))
    )
    return bytes_field(1, owner) + b"".join(bytes_field(2, _record(record)) for record in each.get("logRecords", []))


def _record(record: Json) -> bytes:
    return (
        _fixed64(1, struct.pack("<Q", int(record.get("timeUnixNano", 0))))
        + number_field(2, record.get("severityNumber", 0))
        + bytes_field(3, record.get("severityText", "").encode())
        + (bytes_field(5, _value(record["body"])) if "body" in record else b"")
        + _attributes(6, record)
        + number_field(7, record.get("droppedAttributesCount", 0))
        + varint(8 << 3 | 5)
        + struct.pack("<I", record.get("flags", 0))
        + bytes_field(9, bytes.fromhex(record.get("traceId", "")))
        + bytes_field(10, bytes.fromhex(record.get("spanId", "")))
        + _fixed64(11, struct.pack("<Q", int(record.get("observedTimeUnixNano", 0))))
        + bytes_field(12, record.get("eventName", "").encode())
    )


def _attributes(field: int, owner: Json) -> bytes:
    return b"".join(bytes_field(field, _attribute(each)) for each in owner.get("attributes", []))


def _attribute(attribute: Json) -> bytes:
    return bytes_field(1, attribute["key"].encode()) + bytes_field(2, _value(attribute["value"]))


def _value(value: Json) -> bytes:
    match value:
        case {"stringValue": text}:
            return bytes_field(1, text.encode())
        case {"boolValue": truth}:
            return number_field(2, int(truth))
        case {"intValue": number}:
            return number_field(3, int(number))
        case {"doubleValue": number}:
            return _fixed64(4, struct.pack("<d", float(number)))
        case {"arrayValue": {"values": items}}:
            return bytes_field(5, b"".join(bytes_field(1, _value(item)) for item in items))
        case {"kvlistValue": {"values": members}}:
            return bytes_field(6, b"".join(bytes_field(1, _attribute(member)) for member in members))
        case {"bytesValue": text}:
            return bytes_field(7, base64.b64decode(text))
        case _:
            return b""


def _fixed64(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 1) + content
