"""OpenTelemetry logs by the letter of the mapping, slowly: one entry at a time, from the JSON form as Python reads it.

Knows no limits, no levels and no other forms: bodies are those that `tests.strategies` of the tests make.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from lodur.model.limits import SERVICE_NAME_SOURCES
from lodur.model.otlp import OtlpAction, OtlpMapping, OtlpRule

Json: TypeAlias = Any
"""What `json.loads` gives: its shape is what is being read."""


@dataclass(frozen=True)
class ExpectedEntry:
    """Labels, time, line and structured metadata of one log record."""

    labels: tuple[tuple[str, str], ...]
    ts_ns: int
    line: str
    metadata: tuple[tuple[str, str], ...]


def expected_entries(body: Json, mapping: OtlpMapping, now_ns: int) -> Iterator[ExpectedEntry]:
    """The entries of a body, in its order."""
    for resource_logs in body.get("resourceLogs", []):
        labels, shared = _placed(resource_logs.get("resource", {}).get("attributes", []), mapping.resource)
        for scope_logs in resource_logs.get("scopeLogs", []):
            scope = scope_logs.get("scope", {})
            _, of_scope = _placed(scope.get("attributes", []), mapping.scope)
            own = {
                "scope_name": scope.get("name", ""),
                "scope_version": scope.get("version", ""),
                "scope_dropped_attributes_count": _nonzero(scope.get("droppedAttributesCount", 0)),
            }
            for record in scope_logs.get("logRecords", []):
                yield _entry(record, labels, shared | of_scope | _filled(own), mapping, now_ns)


def _entry(
    record: Json, labels: dict[str, str], shared: dict[str, str], mapping: OtlpMapping, now_ns: int
) -> ExpectedEntry:
    more_labels, metadata = _placed(record.get("attributes", []), mapping.log)
    time_ns, observed_ns = int(record.get("timeUnixNano", 0)), int(record.get("observedTimeUnixNano", 0))
    severity = record.get("severityText", "")
    if mapping.severity_text_as_label:
        more_labels |= _filled({"severity_text": severity})
        severity = ""
    own = {
        "severity_text": severity,
        "severity_number": _nonzero(record.get("severityNumber", 0)),
        "observed_timestamp": _nonzero(observed_ns) if time_ns else "",
        "dropped_attributes_count": _nonzero(record.get("droppedAttributesCount", 0)),
        "flags": _nonzero(record.get("flags", 0)),
        "trace_id": _id(record.get("traceId", "")),
        "span_id": _id(record.get("spanId", "")),
        "event_name": record.get("eventName", ""),
    }
    named = labels | more_labels
    if "service_name" not in named:
        found = (named[source] for source in SERVICE_NAME_SOURCES if source in named)
        named["service_name"] = next(found, "unknown_service")
    return ExpectedEntry(
        tuple(sorted(named.items())),
        time_ns or observed_ns or now_ns,
        _text(record.get("body", {})),
        tuple(sorted((shared | metadata | _filled(own)).items())),
    )


def _placed(attributes: Json, rules: tuple[OtlpRule, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """The labels and the metadata that attributes become."""
    labels: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for attribute in attributes:
        match _action(attribute["key"], rules):
            case OtlpAction.INDEX_LABEL:
                labels |= _flat(attribute["key"], attribute.get("value", {}))
            case OtlpAction.STRUCTURED_METADATA:
                metadata |= _flat(attribute["key"], attribute.get("value", {}))
            case OtlpAction.DROP:
                pass
    return labels, metadata


def _action(key: str, rules: tuple[OtlpRule, ...]) -> OtlpAction:
    for rule in rules:
        if key in rule.attributes or (rule.regex and re.fullmatch(rule.regex, key)):
            return rule.action
    return OtlpAction.STRUCTURED_METADATA


def _flat(key: str, value: Json) -> dict[str, str]:
    if "kvlistValue" not in value:
        name = re.sub("[^a-zA-Z0-9_]", "_", key)
        return _filled({f"key_{name}" if name[0].isdigit() else name: _text(value)})
    flat: dict[str, str] = {}
    for member in value["kvlistValue"]["values"]:
        flat |= _flat(f"{key}_{member['key']}", member.get("value", {}))
    return flat


def _text(value: Json) -> str:
    raw = _raw(value)
    match raw:
        case None:
            return ""
        case bool():
            return "true" if raw else "false"
        case str():
            return raw
        case float() if not math.isfinite(raw):
            return f"json: unsupported value: {_odd(raw)}"
        case _:
            return _json(raw)


def _raw(value: Json) -> Json:
    match value:
        case {"stringValue": text}:
            return text
        case {"boolValue": truth}:
            return truth
        case {"intValue": number}:
            return int(number)
        case {"doubleValue": number}:
            return float(number)
        case {"bytesValue": text}:
            return base64.b64encode(base64.b64decode(text)).decode()
        case {"arrayValue": {"values": items}}:
            return [_raw(item) for item in items]
        case {"kvlistValue": {"values": members}}:
            return {member["key"]: _raw(member.get("value", {})) for member in members}
        case _:
            return None


def _json(raw: Json) -> str:
    match raw:
        case float() if not math.isfinite(raw):
            return f'"{_odd(raw)}"'
        case float():
            return _double(raw)
        case list():
            return f"[{','.join(map(_json, raw))}]"
        case dict():
            members = sorted(raw.items(), key=lambda member: member[0].encode())
            return f"{{{','.join(f'{_json(key)}:{_json(value)}' for key, value in members)}}}"
        case str():
            text = json.dumps(raw, ensure_ascii=False)
            return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        case _:
            return json.dumps(raw)


def _double(number: float) -> str:
    """As ECMAScript writes numbers, but for the sign of zero."""
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        shortest = repr(number)
        if "e" not in shortest:
            return shortest.removesuffix(".0")
        mantissa, _, exponent = shortest.partition("e")
        return _shifted(mantissa, int(exponent))
    mantissa, _, exponent = f"{number!r}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{'+' if int(exponent) > 0 else '-'}{abs(int(exponent))}"


def _shifted(mantissa: str, exponent: int) -> str:
    """A decimal without its exponent."""
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits, point = whole + fraction, len(whole) + exponent
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits.ljust(point, '0')}"


def _odd(number: float) -> str:
    return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"


def _id(digits: str) -> str:
    return digits.lower() if digits.strip("0") else ""


def _nonzero(number: int) -> str:
    return str(number) if number else ""


def _filled(pairs: dict[str, str]) -> dict[str, str]:
    """Without empty values, which are none."""
    return {name: value for name, value in pairs.items() if value}
