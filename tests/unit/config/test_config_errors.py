"""What is said about a wrong file: every mistake with its line, in Loki's words, and where to put things instead."""

from __future__ import annotations

import pytest

from lodur.config.errors import ConfigError
from lodur.config.loading import PROBLEMS_SHOWN_MAX, parse_config_text

HINT = ". Use `-config.expand-env=true` flag if you want to expand environment variables in your config file"


def problems(text: str) -> list[str]:
    """The lines that name mistakes."""
    with pytest.raises(ConfigError) as caught:
        parse_config_text(text, "loki.yaml", {})
    head, *lines = str(caught.value).split("\n")
    assert head == "failed parsing config: loki.yaml: yaml: unmarshal errors:"
    return [line.removeprefix("  ") for line in lines]


def test_the_whole_text_is_lokis() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config_text("auth_enabled: true\nfoo: 1\n", "loki.yaml")
    assert str(caught.value) == (
        "failed parsing config: loki.yaml: yaml: unmarshal errors:\n"
        "  line 2: field foo not found in type loki.ConfigWrapper" + HINT
    )


def test_all_mistakes_are_listed_in_order() -> None:
    text = """\
server:
  http_listen_prt: 3100
  http_listen_port: abc
  log_level: loud
limits_config:
  max_query_lenght: 1h
server: {}
nothing_like_it: 1
"""
    assert problems(text) == [
        "line 2: field http_listen_prt not found in type server.Config (did you mean server.http_listen_port?)",
        "line 3: cannot unmarshal !!str `abc` into int (use a whole number) in server.http_listen_port",
        "line 4: unrecognized value 'loud', use one of debug, info, warn, error in server.log_level",
        "line 6: field max_query_lenght not found in type validation.Limits "
        "(did you mean limits_config.max_query_length?)",
        "line 7: field server already set in type loki.ConfigWrapper (first at line 1)",
        "line 8: field nothing_like_it not found in type loki.ConfigWrapper",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("aws: {}", "field aws not found in type loki.ConfigWrapper (it belongs at storage_config.aws)"),
        (
            "tsdb_shipper: {shared_store: s3}",
            "field tsdb_shipper not found in type loki.ConfigWrapper (it belongs at storage_config.tsdb_shipper)",
        ),
        (
            "filesystem: {directory: /x}",
            "field filesystem not found in type loki.ConfigWrapper (it belongs at storage_config.filesystem)",
        ),
        (
            "ruler: {storage: {type: s3, alertmanager_url: http://x}}",
            "field alertmanager_url not found in type base.RuleStoreConfig (it belongs at ruler.alertmanager_url)",
        ),
        (
            "http_listen_port: 3100",
            "field http_listen_port not found in type loki.ConfigWrapper (it belongs at server.http_listen_port)",
        ),
        (
            "server: {reject_old_samples: true}",
            "field reject_old_samples not found in type server.Config (it belongs at limits_config.reject_old_samples)",
        ),
        ("server.http_listen_port: 1", "field server.http_listen_port not found in type loki.ConfigWrapper"),
    ],
)
def test_misplaced_keys_name_their_place(text: str, problem: str) -> None:
    assert problems(text) == [f"line 1: {problem}"]


@pytest.mark.parametrize(
    ("block", "key", "instead"),
    [
        ("limits_config", "enforce_metric_name", "delete it"),
        ("chunk_store_config", "max_look_back_period", "use limits_config.max_query_lookback"),
        ("compactor", "shared_store", "use compactor.delete_request_store"),
        ("compactor", "deletion_mode", "use limits_config.deletion_mode"),
        ("storage_config.tsdb_shipper", "shared_store", "object_store in schema_config.configs decides"),
        ("storage_config.boltdb_shipper", "shared_store", "object_store in schema_config.configs decides"),
        ("ingester", "max_transfer_retries", "delete it, rows are never handed from process to process"),
        ("querier", "query_timeout", "use limits_config.query_timeout"),
        ("querier.engine", "timeout", "use limits_config.query_timeout"),
        ("query_range", "split_queries_by_interval", "use limits_config.split_queries_by_interval"),
        ("query_range.results_cache.cache", "enable_fifocache", "use embedded_cache"),
        ("chunk_store_config.chunk_cache_config", "enable_fifocache", "use embedded_cache"),
        ("frontend", "match_max_concurrency", "delete it, querier.max_concurrent holds"),
        ("", "bloom_compactor", "use bloom_build"),
    ],
)
def test_removed_keys_name_what_to_write(block: str, key: str, instead: str) -> None:
    text = f"{key}: 1"
    for name in reversed(block.split(".") if block else []):
        text = f"{name}: {{{text}}}"
    (problem,) = problems(text)
    assert problem.startswith(f"line 1: field {key} not found in type ")
    assert problem.endswith(f" (it was removed in Loki 3: {instead})")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("server: 5", "cannot unmarshal !!int `5` into server.Config"),
        ("[]", "cannot unmarshal !!seq into loki.ConfigWrapper"),
        (
            "limits_config: {max_line_size: [1]}",
            "cannot unmarshal !!seq into flagext.ByteSize in limits_config.max_line_size",
        ),
        ("memberlist: {a: 1, a: 2}", "field a already set in map (first at line 1)"),
        (
            "schema_config: {configs: {}}",
            "cannot unmarshal !!map into []config.PeriodConfig (use a list) in schema_config.configs",
        ),
        (
            "schema_config: {configs: [{from: 2020-01-01, store: tsdb}]}",
            "object_store is missing in schema_config.configs",
        ),
        (
            "schema_config: {configs: [{from: 2020-13-01, object_store: s3}]}",
            "cannot unmarshal !!timestamp `2020-13-01` into config.DayTime (use a day such as 2026-01-31) "
            "in from in schema_config.configs",
        ),
        (
            "schema_config: {configs: [{object_stor: s3}]}",
            "field object_stor not found in type config.PeriodConfig (did you mean object_store?) "
            "in schema_config.configs",
        ),
        (
            "limits_config: {blocked_queries: [{types: lines}]}",
            "unrecognized query type 'lines', use some of metric, filter, limited in limits_config.blocked_queries",
        ),
        (
            "storage_config: {named_stores: {aws: {logs: {bucketnames: 'a,b'}}}}",
            "bucketnames has 2 buckets, use one; for more give periods stores of their own, from "
            "storage_config.named_stores in storage_config.named_stores.aws",
        ),
    ],
)
def test_wrong_shapes(text: str, problem: str) -> None:
    assert problems(text) == [f"line 1: {problem}"]


def test_a_long_list_is_cut() -> None:
    found = problems("\n".join(f"key{number}: 1" for number in range(PROBLEMS_SHOWN_MAX + 7)))
    assert len(found) == PROBLEMS_SHOWN_MAX + 1
    assert found[-1] == "and 7 more"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: [1\nb: 2",
            "failed parsing config: loki.yaml: yaml: line 2: while parsing a flow sequence, expected ',' or ']'",
        ),
        ("server: ${PORT-1}", "failed parsing config: loki.yaml: missing closing brace (line 1)"),
    ],
)
def test_texts_that_are_no_yaml(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config_text(text, "loki.yaml", {})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "storage_config: {aws: {secret_access_key: {hush: 1}, s3: [s3://key:hush@eu/b]}}",
        "storage_config: {aws: {secret_access_key: hush, secret_access_key: hush}}",
        "storage_config: {named_stores: {aws: {x: {s3: 's3://key:hush@@/'}}}}",
        "storage_config: {azure: {account_key: hush, account_ke: 1}}",
    ],
)
def test_no_message_holds_a_secret(text: str) -> None:
    assert "hush" not in "\n".join(problems(text)).replace("field hush", "")
