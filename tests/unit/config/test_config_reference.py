"""The reference page lists what the schema has, and every key of Loki's files is in the schema."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from lodur.config.blocks.all_blocks import CONFIG_FILE
from lodur.config.blocks.limits_ingest import ingest_limits
from lodur.config.blocks.limits_query import query_limits
from lodur.config.loading import BUILT_IN_FILE, parse_config_text
from lodur.config.reference import page
from lodur.config.schema import InertKey, MisplacedKey, RemovedKey
from lodur.config.values import Values
from lodur.model.limits import IngestLimits, QueryLimits

WITHOUT_EFFECT_YET = {
    "unordered_writes",
}
"""Limits that are read, and that nothing acts upon."""

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"

LOKI_KEYS = (Path(__file__).parent / "loki_keys.txt").read_text(encoding="utf-8").split()
"""Keys that stand in files of Loki 3, dotted."""


def test_the_page_is_the_one_that_the_schema_gives() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run: python -m lodur.config.reference docs/reference/configuration.md"
    )


def test_the_tables_of_the_page_have_the_keys_of_the_schema() -> None:
    text = PAGE.read_text(encoding="utf-8")
    settings = set(re.findall(r"^\| `([^`]+)` \| [^|]+(?:\\\|[^|]+)* \| .* \| .* \| .* \|$", text, re.MULTILINE))
    assert settings == {setting.path for setting in CONFIG_FILE.settings()}
    others = set(re.findall(r"^\| `([a-z*][^`]*)` \|", text, re.MULTILINE)) - settings
    kinds = InertKey | RemovedKey | MisplacedKey
    assert others == {entry.path for entry in CONFIG_FILE.entries.values() if isinstance(entry, kinds)}


def is_known(path: str) -> bool:
    """Whether a key has an entry, is a block, or lies below a key that is ignored as a whole."""
    above = path
    while above := above.rpartition(".")[0]:
        if isinstance(CONFIG_FILE.entries.get(above), InertKey):
            return True
    return path in CONFIG_FILE.entries or path in CONFIG_FILE.blocks


def test_every_key_of_loki_is_known() -> None:
    assert len(LOKI_KEYS) > 400
    assert [key for key in LOKI_KEYS if not is_known(key)] == []


@pytest.mark.parametrize("key", [key for key in LOKI_KEYS if "." not in key])
def test_every_top_level_key_may_be_empty(key: str) -> None:
    values, _ = parse_config_text(f"{key}:", "loki.yaml")
    assert values == Values()


def test_every_setting_is_documented_and_has_a_valid_default() -> None:
    for setting in CONFIG_FILE.settings():
        assert setting.doc.endswith(".")
        assert setting.kind.name
        setting.kind.parse(setting.default_node())


def test_defaults_of_the_schema_are_those_of_the_options() -> None:
    values = Values()
    assert ingest_limits(values) == IngestLimits()
    assert query_limits(values) == QueryLimits()


@pytest.mark.parametrize("limits", [IngestLimits, QueryLimits])
def test_every_limit_can_be_set(limits: type[IngestLimits] | type[QueryLimits]) -> None:
    """Each field changes when all limits are given other values than their defaults."""
    text = """
limits_config:
  {ingestion_rate_mb: 5, ingestion_burst_size_mb: 7, per_stream_rate_limit: 1, per_stream_rate_limit_burst: 2,
   max_global_streams_per_user: 3, max_label_names_per_series: 4, max_label_name_length: 5, max_label_value_length: 6,
   max_line_size: 7, max_line_size_truncate: true, max_line_size_truncate_identifier: x, reject_old_samples: false,
   reject_old_samples_max_age: 8s, creation_grace_period: 9s, unordered_writes: false,
   increment_duplicate_timestamp: true, allow_structured_metadata: false, max_structured_metadata_size: 10,
   max_structured_metadata_entries_count: 11, discover_service_name: [], discover_log_levels: false,
   log_level_fields: [l], log_level_from_json_max_depth: 12, enforced_labels: [e], block_ingestion_until: 2030-01-01,
   block_ingestion_status_code: 400, max_entries_limit_per_query: 13, max_query_length: 14s, max_query_lookback: 15s,
   max_query_range: 16s, max_query_series: 17, max_query_bytes_read: 18, max_querier_bytes_read: 19,
   query_timeout: 20s, max_query_parallelism: 21, max_concurrent_tail_requests: 22, required_labels: [r],
   minimum_labels_number: 23, blocked_queries: [{pattern: p}], volume_enabled: false, volume_max_series: 24,
   enable_multi_variant_queries: true, shard_aggregations: [approx_topk], split_queries_by_interval: 0,
   otlp_config: {severity_text_as_label: true}, policy_stream_mapping: {p: [{selector: '{a="b"}', priority: 1}]},
   policy_enforced_labels: {p: [l]}, block_ingestion_policy_until: {p: 2030-01-01}}
"""
    values, ignored = parse_config_text(text, "loki.yaml")
    assert {key.path.removeprefix("limits_config.") for key in ignored} == WITHOUT_EFFECT_YET
    read = ingest_limits(values) if limits is IngestLimits else query_limits(values)
    default = limits()
    same = [field.name for field in fields(limits) if getattr(read, field.name) == getattr(default, field.name)]
    assert same == []


def test_the_built_in_file_loads_and_ignores_nothing() -> None:
    _, ignored = parse_config_text(BUILT_IN_FILE, "built-in")
    assert ignored == ()
