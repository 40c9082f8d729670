"""Overrides: limits by tenant, from several files, with every mistake named by its line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lodur.config.errors import ConfigError
from lodur.config.loading import parse_config_text
from lodur.config.overrides import Overrides, OverridesFile, parse_overrides, read_files
from lodur.config.printing import changed_overrides_yaml, limits_yaml, overrides_yaml
from lodur.config.tenant_settings import TenantSettings, tenant_settings
from lodur.model.durations import NS_PER_HOUR
from lodur.model.limits import MIB, DeletionMode
from lodur.model.otlp import OtlpAction, OtlpRule
from lodur.model.tenant import TenantId

COMMON = """\
limits_config:
  ingestion_rate_mb: 2
  max_query_series: 300
  retention_stream: [{selector: '{app="x"}', period: 24h}]
  otlp_config: {severity_text_as_label: true}
"""

FILE = """\
overrides:
  big:
    ingestion_rate_mb: 100
    retention_period: 31d
    retention_stream: []
    deletion_mode: disabled
    ruler_max_rule_groups_per_tenant: 7
    otlp_config:
      log_attributes: [{action: drop, attributes: [secret]}]
  empty:
  'odd.name!': &odd
    max_query_series: 9
  same: *odd
"""


def common(text: str = COMMON) -> TenantSettings:
    values, _ = parse_config_text(text, "loki.yaml")
    return tenant_settings(values)


def parsed(*texts: str) -> Overrides:
    files = [OverridesFile(f"{number}.yaml", text.encode()) for number, text in enumerate(texts)]
    return parse_overrides(files, common())


def test_what_a_tenant_does_not_say_is_as_for_all() -> None:
    overrides = parsed(FILE)
    big, nobody = overrides.of(TenantId("big")), overrides.of(TenantId("nobody"))
    assert (big.limits.ingest.rate_bytes, big.limits.query.series_max) == (100 * MIB, 300)
    assert (big.retention.period_ns, big.retention.streams) == (31 * 24 * NS_PER_HOUR, ())
    assert big.limits.deletion_mode is DeletionMode.DISABLED
    assert big.limits.rules.groups_max == 7
    assert big.limits.ingest.otlp.log == (OtlpRule(OtlpAction.DROP, ("secret",)),)
    assert big.limits.ingest.otlp.severity_text_as_label
    assert nobody is overrides.common
    assert nobody.limits.ingest.rate_bytes == 2 * MIB
    assert overrides.of(TenantId("empty")).limits == nobody.limits
    assert overrides.of(TenantId("odd.name!")).limits.query.series_max == 9
    assert overrides.of(TenantId("same")).limits.query.series_max == 9


def test_later_files_win_key_by_key() -> None:
    overrides = parsed(FILE, "overrides: {big: {ingestion_rate_mb: 5}, other: {max_query_series: 1}}", "")
    big = overrides.of(TenantId("big"))
    assert (big.limits.ingest.rate_bytes, big.limits.rules.groups_max) == (5 * MIB, 7)
    assert overrides.of(TenantId("other")).limits.query.series_max == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("overrides: {a: {max_query_serie: 1}}", "line 1: field max_query_serie not found in type validation.Limits"),
        ("overrides:\n  a:\n    max_query_series: x", "line 3: cannot unmarshal !!str `x` into int"),
        ("overrides:\n  a:\n    max_query_series: x", "in limits_config.max_query_series (overrides of tenant 'a')"),
        ("overrides:\n  a: 3", "line 2: cannot unmarshal !!int `3` into validation.Limits"),
        (
            "overrides:\n  a:\n    blocked_queries:\n    - {pattern: '(', regex: true}",
            "line 4: error parsing regexp: missing ), unterminated subpattern at position 0 in limits_config.blocked",
        ),
        ("overrides: [a]", "cannot unmarshal !!seq into map[string]*validation.Limits (use a map from tenants to"),
        ("overrides:\n  a: {}\n  b: {}\n  a: {}", "line 4: tenant a already set in overrides (first at line 2)"),
        ("limits: {}", "line 1: field limits not found in type loki.runtimeConfigValues"),
        ("overrides:\n\t- a", "yaml: line 2"),
        ("overrides: \xff", "invalid UTF-8"),
        (
            "overrides:\n  a:\n    retention_stream:\n    - {selector: '{b=\"c\"}', period: 1h}",
            "line 4: CONFIG ERROR: invalid limits_config config: retention period must be >= 24h was 1h (overrides of",
        ),
    ],
)
def test_mistakes_are_named_with_file_line_and_key(text: str, said: str) -> None:
    content = text.encode("latin-1")
    with pytest.raises(ConfigError) as raised:
        parse_overrides([OverridesFile("over.yaml", content)], common())
    assert str(raised.value).startswith("failed loading runtime config: over.yaml: ")
    assert said in str(raised.value)


def test_all_mistakes_are_listed() -> None:
    with pytest.raises(ConfigError) as raised:
        parsed("overrides:\n  a: {max_query_series: x}\n  b: {foo: 1}")
    assert "line 2: " in str(raised.value)
    assert "line 3: " in str(raised.value)


def test_what_has_no_effect_is_told() -> None:
    overrides = parsed(
        "configs: {a: {log_push_request: true}}\nmulti_kv_config: {}\n"
        "overrides:\n  a: {cardinality_limit: 1}\n  'b/c': {max_query_series: 1}"
    )
    assert {key.path for key in overrides.ignored} == {
        "configs", "multi_kv_config", "limits_config.cardinality_limit", "overrides.b/c"
    }  # fmt: skip
    assert set(overrides.tenants) == {TenantId("a")}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"failed loading runtime config: .*/gone\.yaml: No such file"):
        read_files([tmp_path / "gone.yaml"])


def test_printed() -> None:
    overrides = parsed(FILE)
    changed = yaml.safe_load(changed_overrides_yaml(overrides))["overrides"]
    assert changed["odd.name!"] == {"max_query_series": 9}
    assert changed["empty"] == {}
    assert changed["big"]["otlp_config"] == {"log_attributes": [{"action": "drop", "attributes": ["secret"]}]}
    complete = yaml.safe_load(overrides_yaml(overrides))["overrides"]
    assert set(complete) == {"big", "empty", "odd.name!", "same"}
    assert complete["empty"]["ingestion_rate_mb"] == 2
    shown = yaml.safe_load(limits_yaml(overrides.of(TenantId("big"))))
    assert shown["limits_config"] == complete["big"]
    # What is shown of a tenant can be its overrides again.
    again = parse_overrides([OverridesFile("again", overrides_yaml(overrides).encode())], common(""))
    assert {tenant: own.limits.ingest for tenant, own in again.tenants.items()} == {
        tenant: own.limits.ingest for tenant, own in overrides.tenants.items()
    }
