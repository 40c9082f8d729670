"""The configuration in force, printed: masked, and readable by the loader."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lodur.config.loading import BUILT_IN_FILE, parse_config_text
from lodur.config.printing import changed_yaml, default_yaml, effective_yaml
from lodur.config.server_config import ServerConfig, build_server_config

FULL = """\
target: read
auth_enabled: yes
server: {http_listen_port: 3200, http_path_prefix: /x}
ingester: {wal: {disk_full_threshold: 0.5}, chunk_idle_period: 1h}
limits_config:
  ingestion_rate_mb: 1.5
  max_query_length: 0
  discover_service_name: []
  blocked_queries: [{pattern: 'a: b', types: metric, query_tags: {k: v}}]
  block_ingestion_until: 2030-01-01T00:00:00Z
schema_config:
  configs:
    - {from: 2020-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}
    - {from: 2021-01-01, store: tsdb, object_store: cold, schema: v13}
common: {path_prefix: /loki}
storage_config: {named_stores: {aws: {cold: {bucketnames: logs, region: eu-west-3}}}}
"""


def config_of(text: str) -> ServerConfig:
    values, _ = parse_config_text(text, "loki.yaml")
    return build_server_config(values, base=Path("/srv"), now_ns=10**19, cores=2)


@pytest.mark.parametrize("text", [FULL, BUILT_IN_FILE, ""])
def test_what_is_printed_loads_to_the_same(text: str) -> None:
    config = config_of(text)
    again = config_of(effective_yaml(config))
    for part in ("targets", "roles", "auth_enabled", "server", "tenants", "ingester", "storage", "querier"):
        assert getattr(again, part) == getattr(config, part)


def test_derived_values_and_defaults_are_printed() -> None:
    printed = yaml.safe_load(effective_yaml(config_of(FULL)))
    assert printed["ingester"]["wal"]["dir"] == "/loki/wal"
    assert printed["storage_config"]["filesystem"]["directory"] == "/loki/chunks"
    assert printed["limits_config"]["max_line_size"] == "256KB"
    assert printed["limits_config"]["ingestion_rate_mb"] == 1.5
    assert printed["lodur"]["ingester"]["flush_bytes"] == "256MiB"


def test_secrets_are_masked() -> None:
    text = """\
schema_config: {configs: [{from: 2020-01-01, object_store: s3}]}
common: {storage: {s3: {s3: 's3://hush1:hush2@eu-west-3/logs'}}}
storage_config:
  gcs: {bucket_name: b, service_account: hush3}
  azure: {account_name: a, account_key: hush4, client_secret: hush5}
  named_stores:
    aws: {cold: {bucketnames: logs, access_key_id: hush6, secret_access_key: hush7, session_token: hush8}}
"""
    printed = effective_yaml(config_of(text))
    assert "hush" not in printed
    assert "s3://********@eu-west-3/logs" in printed
    assert printed.count("********") >= 8


def test_what_is_changed_and_what_is_by_default() -> None:
    config = config_of("server: {http_listen_port: 3200}\nlimits_config: {max_query_series: 500, query_timeout: 5m}\n")
    changed = yaml.safe_load(changed_yaml(config))
    assert changed["server"] == {"http_listen_port": 3200}
    assert changed["limits_config"] == {"query_timeout": "5m"}
    defaults = yaml.safe_load(default_yaml())
    assert defaults["server"]["http_listen_port"] == 3100
    assert defaults["limits_config"]["query_timeout"] == "1m"
