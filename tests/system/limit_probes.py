"""What each limit does to a tenant that has it: one probe a key of `limits_config`.

A probe asserts what clients see. It must fail for a tenant without the limit, else it proves nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson

from tests.system.pushing import Client

NS = 10**9
DAY_S = 86_400

Values = Sequence[Sequence[object]]
Probe = Callable[["Tenant"], None]


@dataclass
class Tenant:
    """One tenant's view of a server."""

    client: Client
    name: str

    def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
        headers = {"X-Scope-OrgID": self.name}
        if body:
            headers["Content-Type"] = "application/json"
        text = self.client.request(method, path, body, headers).decode()
        return self.client.status, text

    def push_streams(self, *streams: tuple[Mapping[str, str], Values]) -> tuple[int, str]:
        body = {"streams": [{"stream": labels, "values": values} for labels, values in streams]}
        return self.request("POST", "/loki/api/v1/push", orjson.dumps(body))

    def push(
        self,
        line: str = "line",
        *,
        ago_s: float = 0.0,
        metadata: Mapping[str, str] = {},
        labels: Mapping[str, str] = {},
    ) -> tuple[int, str]:
        value = [str(now_ns(ago_s)), line, *([metadata] if metadata else [])]
        return self.push_streams(({"app": "x", **labels}, [value]))

    def ask(self, query: str, *, path: str = "query_range", params: Mapping[str, str] = {}) -> tuple[int, str]:
        asked = {"query": query, "start": str(now_ns(3600)), "end": str(now_ns(-7200)), **params}
        return self.request("GET", f"/loki/api/v1/{path}?{urlencode(asked)}")

    def streams(self, query: str = '{app="x"}', params: Mapping[str, str] = {}) -> list[dict[str, object]]:
        status, text = self.ask(query, params=params)
        assert status == 200, text
        return list(orjson.loads(text)["data"]["result"])

    def labels(self, query: str = '{app="x"}') -> dict[str, str]:
        """Of the first stream found, structured metadata among them."""
        found = self.streams(query)
        assert found
        labels = found[0]["stream"]
        assert isinstance(labels, dict)
        return labels

    def lines(self, query: str = '{app="x"}') -> list[str]:
        values = [stream["values"] for stream in self.streams(query)]
        return sorted(value[1] for each in values if isinstance(each, list) for value in each)


def now_ns(ago_s: float = 0.0) -> int:
    return time.time_ns() - int(ago_s * NS)


def refused(answer: tuple[int, str], status: int, pattern: str) -> None:
    assert answer[0] == status, answer
    assert re.search(pattern, answer[1]), answer[1]


def query_refused(query: str, pattern: str, *, status: int = 400, path: str = "query_range", limit: int = 100) -> Probe:
    """A query that the tenant may not ask."""

    def probe(tenant: Tenant) -> None:
        tenant.push(labels={"env": "e"})
        refused(tenant.ask(query, path=path, params={"limit": str(limit)}), status, pattern)

    return probe


def push_refused(
    pattern: str, line: str = "line", *, status: int = 400, ago_s: float = 0.0, labels: Mapping[str, str] = {}
) -> Probe:
    """A push that the tenant may not make."""
    return lambda tenant: refused(tenant.push(line, ago_s=ago_s, labels=labels), status, pattern)


def metadata_refused(pattern: str) -> Probe:
    """A push with structured metadata that the tenant may not make."""
    return lambda tenant: refused(tenant.push(metadata={"a": "long", "b": "long"}), 400, pattern)


def accepted(line: str = "line", *, ago_s: float = 0.0) -> Probe:
    """A push that others may not make."""

    def probe(tenant: Tenant) -> None:
        assert tenant.push(line, ago_s=ago_s) == (204, "")

    return probe


def found_lines(line: str, *expected: str) -> Probe:
    """What is found of a line that was pushed."""

    def probe(tenant: Tenant) -> None:
        assert tenant.push(line) == (204, "")
        assert tenant.lines() == list(expected)

    return probe


def found_label(line: str, name: str, value: str | None) -> Probe:
    """A label that a line gets, or does not."""

    def probe(tenant: Tenant) -> None:
        assert tenant.push(line) == (204, "")
        assert tenant.labels().get(name) == value

    return probe


def otlp_label(name: str, value: str | None) -> Probe:
    """What becomes of an attribute of OpenTelemetry logs; labels are told apart from metadata by `series`."""

    def probe(tenant: Tenant) -> None:
        record = {
            "timeUnixNano": str(now_ns()),
            "severityText": "WARN",
            "body": {"stringValue": "line"},
            "attributes": [_attribute("of.log")],
        }
        scope = {"scope": {"name": "s", "attributes": [_attribute("of.scope")]}, "logRecords": [record]}
        resource = {"attributes": [_attribute("service.name"), _attribute("of.resource")]}
        body = {"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]}
        assert tenant.request("POST", "/otlp/v1/logs", orjson.dumps(body))[0] == 204
        status, text = tenant.ask("", path="series")
        assert status == 200, text
        (labels,) = orjson.loads(text)["data"]
        everything = tenant.labels('{service_name=~".+"}')
        assert (everything if name.startswith("of_") and value is None else labels).get(name) == value

    return probe


def _attribute(name: str) -> dict[str, object]:
    return {"key": name, "value": {"stringValue": "v"}}


def two_streams(tenant: Tenant) -> tuple[int, str]:
    return tenant.push_streams(({"app": "x"}, [[str(now_ns()), "1"]]), ({"app": "y"}, [[str(now_ns()), "2"]]))


def only_one_stream_is_refused(pattern: str, *, status: int = 400) -> Probe:
    """Of two streams that come together the first."""

    def probe(tenant: Tenant) -> None:
        refused(two_streams(tenant), status, pattern)
        assert tenant.streams('{app="x"}') == []
        assert tenant.lines('{app="y"}') == ["2"]

    return probe


def duplicates_are_moved(tenant: Tenant) -> None:
    ts_ns = now_ns()
    tenant.push_streams(({"app": "x"}, [[str(ts_ns), "1"], [str(ts_ns), "2"]]))
    times = [value[0] for stream in tenant.streams() for value in stream["values"]]  # type: ignore[attr-defined]
    assert sorted(times) == [str(ts_ns), str(ts_ns + 1)]


def old_lines_are_not_seen(tenant: Tenant) -> None:
    tenant.push("old", ago_s=600)
    tenant.push("new")
    assert tenant.lines() == ["new"]


def many_series_are_refused(tenant: Tenant) -> None:
    two_streams(tenant)
    answer = tenant.ask('rate({app=~".+"}[5m])')
    refused(answer, 400, r"^maximum number of series \(1\) reached for a single query; consider reducing")


def stored_bytes_are_refused(pattern: str) -> Probe:
    def probe(tenant: Tenant) -> None:
        tenant.push("x" * 2000)
        assert tenant.request("POST", "/flush")[0] == 204
        refused(tenant.ask('{app="x"}'), 400, pattern)

    return probe


def steps_begin_at_the_start(tenant: Tenant) -> None:
    start_s = int(time.time_ns() // NS) // 60 * 60 - 593
    tenant.push(ago_s=700)
    params = {"start": str(start_s), "end": str(start_s + 300), "step": "60"}
    (series,) = tenant.streams('sum(count_over_time({app="x"}[1h]))', params)
    assert isinstance(series["values"], list)
    assert series["values"][0][0] == start_s


def volumes_are_cut(tenant: Tenant) -> None:
    two_streams(tenant)
    status, text = tenant.ask("{}", path="index/volume")
    assert (status, len(orjson.loads(text)["data"]["result"])) == (200, 1)


def allowed(query: str) -> Probe:
    """A query that others may not ask."""

    def probe(tenant: Tenant) -> None:
        tenant.push()
        status, text = tenant.ask(query, path="query")
        assert status == 200, text

    return probe


def streams_refused(tenant: Tenant) -> None:
    refused(two_streams(tenant), 429, r"^maximum active stream limit exceeded when trying to create stream \{app=")


PROBES: Mapping[str, tuple[str, Probe]] = {
    "ingestion_rate_mb": (
        "ingestion_rate_mb: 0.5, ingestion_burst_size_mb: 0.001",
        push_refused(
            r"^ingestion rate limit exceeded for user ingestion_rate_mb \(limit: 524288 bytes/sec\) while attempting "
            r"to ingest '1' lines totaling '2000' bytes, reduce log volume or contact your Loki administrator",
            "x" * 2000,
            status=429,
        ),
    ),
    "ingestion_burst_size_mb": (
        "ingestion_burst_size_mb: 0.001",
        push_refused(r"^ingestion rate limit exceeded for user .* \(limit: 4194304 bytes", "x" * 2000, status=429),
    ),
    "per_stream_rate_limit": (
        "per_stream_rate_limit: 1KB, per_stream_rate_limit_burst: 1KB",
        push_refused(r"Per stream rate limit exceeded \(limit: 1KB/sec\)", "x" * 2000, status=429),
    ),
    "per_stream_rate_limit_burst": (
        "per_stream_rate_limit_burst: 1KB",
        push_refused(r"Per stream rate limit exceeded \(limit: 3MB/sec\)", "x" * 2000, status=429),
    ),
    "max_global_streams_per_user": ("max_global_streams_per_user: 1", streams_refused),
    "max_streams_per_user": ("max_streams_per_user: 1", streams_refused),
    "max_label_names_per_series": (
        "max_label_names_per_series: 1",
        push_refused(r"^entry for stream '\{.*\}' has 2 label names; limit 1", labels={"a": "b"}),
    ),
    "max_label_name_length": (
        "max_label_name_length: 12",
        push_refused(r"^stream '\{.*\}' has label name too long: 'name_too_long'", labels={"name_too_long": "v"}),
    ),
    "max_label_value_length": (
        "max_label_value_length: 3",
        push_refused(r"^stream '\{.*\}' has label value too long: 'long'", labels={"a": "long"}),
    ),
    "max_line_size": ("max_line_size: 3", push_refused(r"^max entry size '3' bytes exceeded for stream '\{.*'")),
    "max_line_size_truncate": ("max_line_size: 2, max_line_size_truncate: true", found_lines("line", "li")),
    "max_line_size_truncate_identifier": (
        "max_line_size: 3, max_line_size_truncate: true, max_line_size_truncate_identifier: '~'",
        found_lines("line", "li~"),
    ),
    "reject_old_samples": ("reject_old_samples: false", accepted(ago_s=30 * DAY_S)),
    "reject_old_samples_max_age": (
        "reject_old_samples_max_age: 1m",
        push_refused(r"^entry for stream '\{.*' has timestamp too old: .*, oldest acceptable timestamp is", ago_s=120),
    ),
    "creation_grace_period": ("creation_grace_period: 1h", accepted(ago_s=-1800)),
    "increment_duplicate_timestamp": ("increment_duplicate_timestamp: true", duplicates_are_moved),
    "allow_structured_metadata": (
        "allow_structured_metadata: false",
        metadata_refused(r"^stream '\{.*' includes structured metadata, but this feature is disallowed"),
    ),
    "max_structured_metadata_size": (
        "max_structured_metadata_size: 5",
        metadata_refused(r"has structured metadata too large: '10' bytes, limit: '5' bytes"),
    ),
    "max_structured_metadata_entries_count": (
        "max_structured_metadata_entries_count: 1",
        metadata_refused(r"has too many structured metadata labels: '2', limit: '1'"),
    ),
    "discover_service_name": ("discover_service_name: []", found_label("line", "service_name", None)),
    "discover_log_levels": ("discover_log_levels: false", found_label("level=warn", "detected_level", None)),
    "log_level_fields": ("log_level_fields: [loudness]", found_label("loudness=wrn", "detected_level", "warn")),
    "log_level_from_json_max_depth": (
        "log_level_from_json_max_depth: 1",
        found_label('{"a": {"level": "wrn"}}', "detected_level", "unknown"),
    ),
    "enforced_labels": (
        "enforced_labels: [env]",
        push_refused(r"^missing required labels 'env' for user 'enforced_labels' for stream '\{.*\}' \(policy: ''\)"),
    ),
    "policy_stream_mapping": (
        "policy_stream_mapping: {p: [{selector: '{app=\"x\"}', priority: 1}]}, policy_enforced_labels: {p: [env]}",
        only_one_stream_is_refused(r"^missing required labels 'env' for user '.*' for stream '\{.*\}' \(policy: 'p'\)"),
    ),
    "policy_enforced_labels": (
        "policy_enforced_labels: {'*': [env]}",
        push_refused(r"^missing required labels 'env' for user '.*' for stream '\{.*\}' \(policy: ''\)"),
    ),
    "block_ingestion_policy_until": (
        "policy_stream_mapping: {p: [{selector: '{app=\"x\"}'}]}, block_ingestion_policy_until: {p: 2100-01-01}",
        only_one_stream_is_refused(
            r"^ingestion blocked for user '.*' \(policy: 'p'\) until '2100-01-01T00:00:00Z' with status code '260'",
            status=260,
        ),
    ),
    "block_ingestion_until": (
        "block_ingestion_until: 2100-01-01T00:00:00Z",
        push_refused(
            r"^ingestion blocked for user '.*' until '2100-01-01T00:00:00Z' with status code '260'", status=260
        ),
    ),
    "block_ingestion_status_code": (
        "block_ingestion_until: 2100-01-01T00:00:00Z, block_ingestion_status_code: 403",
        push_refused(r"with status code '403'", status=403),
    ),
    "otlp_config.resource_attributes.ignore_defaults": (
        "otlp_config: {resource_attributes: {ignore_defaults: true}}",
        otlp_label("service_name", "unknown_service"),
    ),
    "otlp_config.resource_attributes.attributes_config": (
        "otlp_config: {resource_attributes: {attributes_config: [{action: index_label, attributes: [of.resource]}]}}",
        otlp_label("of_resource", "v"),
    ),
    "otlp_config.scope_attributes": (
        "otlp_config: {scope_attributes: [{action: drop, attributes: [of.scope]}]}",
        otlp_label("of_scope", None),
    ),
    "otlp_config.log_attributes": (
        "otlp_config: {log_attributes: [{action: drop, regex: 'of.*'}]}",
        otlp_label("of_log", None),
    ),
    "otlp_config.severity_text_as_label": (
        "otlp_config: {severity_text_as_label: true}",
        otlp_label("severity_text", "WARN"),
    ),
    "max_entries_limit_per_query": (
        "max_entries_limit_per_query: 7",
        query_refused(
            '{app="x"}',
            r"^max entries limit per query exceeded, limit > max_entries_limit_per_query \(8 > 7\)$",
            limit=8,
        ),
    ),
    "max_query_length": (
        "max_query_length: 1h",
        query_refused('{app="x"}', r"^the query time range exceeds the limit \(query length: 3h0m0.*, limit: 1h\)$"),
    ),
    "max_query_lookback": ("max_query_lookback: 5m", old_lines_are_not_seen),
    "max_query_range": (
        "max_query_range: 1m",
        query_refused('rate({app="x"}[5m])', r"^\[interval\] value exceeds limit: \[5m\] > \[1m\]$"),
    ),
    "max_query_series": ("max_query_series: 1", many_series_are_refused),
    "max_query_bytes_read": (
        "max_query_bytes_read: 1KB",
        stored_bytes_are_refused(r"^the query would read too many bytes \(query: .*, limit: 1"),
    ),
    "max_querier_bytes_read": (
        "max_querier_bytes_read: 1KB",
        stored_bytes_are_refused(r"^query too large to execute on a single querier: \(query: .*, limit: 1"),
    ),
    "query_timeout": (
        "query_timeout: 1ns",
        query_refused('{app="x"}', r"^request timed out, decrease the duration of the request or add", status=504),
    ),
    "split_queries_by_interval": ("split_queries_by_interval: 0", steps_begin_at_the_start),
    "required_labels": (
        "required_labels: [env]",
        query_refused(
            '{app="x"}',
            r"^stream selector is missing required matchers \[env\], labels present in the query were \[app\]$",
        ),
    ),
    "minimum_labels_number": (
        "minimum_labels_number: 2",
        query_refused(
            '{app="x"}',
            r"^stream selector has less label matchers than required: \(present: \[app\], number_present: 1, "
            r"required_number_label_matchers: 2\)$",
        ),
    ),
    "blocked_queries": (
        "blocked_queries: [{pattern: '.*line.*', regex: true}]",
        query_refused('{app="x"} |= "line"', r"^query blocked by policy$"),
    ),
    "volume_enabled": (
        "volume_enabled: false",
        query_refused('{app="x"}', r"^not found$", path="index/volume", status=404),
    ),
    "volume_max_series": ("volume_max_series: 1", volumes_are_cut),
    "enable_multi_variant_queries": (
        "enable_multi_variant_queries: true",
        allowed('variants(count_over_time({app="x"}[1m])) of ({app="x"}[1m])'),
    ),
    "shard_aggregations": ("shard_aggregations: [approx_topk]", allowed('approx_topk(1, rate({app="x"}[1m]))')),
}
"""By key: what the tenant of that name has for overrides, and the probe."""

PROVEN_ELSEWHERE: Mapping[str, str] = {
    "max_query_parallelism": "tests/unit/query/test_workplace.py",
    "max_concurrent_tail_requests": "tests/system/test_tail.py",
    "retention_period": "tests/unit/config/test_overrides.py",
    "retention_stream": "tests/unit/config/test_overrides.py",
    "per_tenant_override_config": "tests/unit/app/test_limits_in_force.py",
    "per_tenant_override_period": "tests/unit/app/test_limits_in_force.py",
    "deletion_mode": "tests/unit/config/test_overrides.py",
    "ruler_max_rule_groups_per_tenant": "tests/unit/config/test_overrides.py",
    "ruler_max_rules_per_rule_group": "tests/unit/config/test_overrides.py",
}
"""Keys whose effect no request shows at once."""
