"""Object stores: every way to describe one, and the periods that use them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lodur.config.errors import ConfigError
from lodur.config.loading import parse_config_text
from lodur.config.server_config import build_server_config
from lodur.store.options import (
    AzureOptions,
    FilesystemOptions,
    GcsOptions,
    HedgingOptions,
    HttpOptions,
    MemoryOptions,
    ObjectStoreOptions,
    RetryOptions,
    S3Options,
    StorageOptions,
)

BASE = Path("/srv")
DAY_NS = 24 * 3600 * 10**9


def storage(text: str) -> StorageOptions:
    values, _ = parse_config_text(text, "loki.yaml")
    return build_server_config(values, base=BASE, now_ns=30_000 * DAY_NS, cores=1, file_name="loki.yaml").storage


def store(text: str) -> ObjectStoreOptions:
    (period,) = storage(text).periods
    return period.object_store


ENDPOINT_REFUSED = "endpoint is no address of a server, use one such as minio:9000 or https://s3.example.com"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("bucketnames: logs, region: eu-west-3", S3Options("logs", region="eu-west-3")),
        ("s3: s3://eu-west-3/logs", S3Options("logs", region="eu-west-3")),
        (
            "s3: 's3://AKIA:a%2Fb@us-east-1/logs'",
            S3Options("logs", region="us-east-1", access_key_id="AKIA", secret_access_key="a/b"),
        ),
        (
            "s3: 's3://user:pass@minio:9000/logs', insecure: true",
            S3Options(
                "logs",
                endpoint_url="http://minio:9000",
                access_key_id="user",
                secret_access_key="pass",
                path_style=True,
                allow_http=True,
            ),
        ),
        (
            "s3: s3://s3.eu-west-3.amazonaws.com/logs",
            S3Options("logs", endpoint_url="https://s3.eu-west-3.amazonaws.com"),
        ),
        (
            "endpoint: minio:9000, bucketnames: logs, insecure: true, s3forcepathstyle: true",
            S3Options("logs", endpoint_url="http://minio:9000", path_style=True, allow_http=True),
        ),
        (
            "endpoint: 'http://minio:9000', bucketnames: logs",
            S3Options("logs", endpoint_url="http://minio:9000", allow_http=True),
        ),
        (
            "endpoint: objects.example.com, bucketnames: [logs], region: x, access_key_id: a, secret_access_key: b, "
            "session_token: c, http_config: {insecure_skip_verify: true}, sse: {type: SSE-KMS, kms_key_id: k}",
            S3Options(
                "logs",
                region="x",
                endpoint_url="https://objects.example.com",
                access_key_id="a",
                secret_access_key="b",
                session_token="c",
                verify_tls=False,
                server_side_encryption="aws:kms",
                kms_key_id="k",
            ),
        ),
        (
            "s3: 'http://loki:super%2Fsecret@minio:9000/logs', s3forcepathstyle: true",
            S3Options(
                "logs",
                endpoint_url="http://minio:9000",
                access_key_id="loki",
                secret_access_key="super/secret",
                path_style=True,
                allow_http=True,
            ),
        ),
        (
            "s3: https://loki:supersecret@minio./logs, insecure: true",
            S3Options(
                "logs",
                endpoint_url="https://minio.",
                access_key_id="loki",
                secret_access_key="supersecret",
                path_style=True,
                allow_http=True,
            ),
        ),
        (
            "s3: http://loki:supersecret@minio/logs, endpoint: 'https://s3.example.com'",
            S3Options(
                "logs",
                endpoint_url="https://s3.example.com",
                access_key_id="loki",
                secret_access_key="supersecret",
                path_style=True,
            ),
        ),
        ("bucketnames: 'tenant:Old_Bucket'", S3Options("tenant:Old_Bucket")),
        ("s3: s3://eu-west-3/logs, bucketnames: other", S3Options("other", region="eu-west-3")),
        ("s3: s3://eu-west-3/logs/loki/a", S3Options("logs", region="eu-west-3", prefix="loki/a")),
        (
            "s3: s3://eu-west-3/logs, access_key_id: 012, secret_access_key: 0x3",
            S3Options("logs", region="eu-west-3", access_key_id="012", secret_access_key="0x3"),
        ),
        (
            "bucketnames: logs, storage_class: STANDARD_IA, http_config: {timeout: 30s, idle_conn_timeout: 5s, "
            "response_header_timeout: 2s, ca_file: ca.pem}, backoff_config: {min_period: 1s, max_period: 500ms, "
            "max_retries: 9}",
            S3Options(
                "logs",
                storage_class="STANDARD_IA",
                http=HttpOptions(30.0, read_timeout_s=2.0, idle_timeout_s=5.0, ca_file=BASE / "ca.pem"),
                retries=RetryOptions(9, 1.0, 1.0),
            ),
        ),
    ],
)
def test_s3(text: str, options: S3Options) -> None:
    assert store(f"storage_config: {{aws: {{{text}}}}}") == options
    assert store(f"common: {{storage: {{s3: {{{text}}}}}}}") == options
    named = f"storage_config: {{named_stores: {{aws: {{cold: {{{text}}}}}}}}}\n"
    assert store(named + "schema_config: {configs: [{from: 2020-01-01, object_store: cold}]}") == options


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("region: eu-west-3", "no bucket is named, set bucketnames or s3: s3://region/bucket"),
        ("bucketnames: a/b", "no bucket is named, set bucketnames or s3: s3://region/bucket"),
        (
            "bucketnames: 'a,b'",
            "bucketnames has 2 buckets, use one; for more give periods stores of their own, from "
            "storage_config.named_stores",
        ),
        ("bucketnames: a, access_key_id: k", "access_key_id is given without secret_access_key, set both or neither"),
        (
            "bucketnames: a, secret_access_key: k",
            "secret_access_key is given without access_key_id, set both or neither",
        ),
        ("bucketnames: a, sse: {kms_key_id: k}", "sse.kms_key_id is given, set sse.type to SSE-KMS"),
        ("s3: ftp://hush@x/y", "s3 is not a URL such as s3://key:secret@region/bucket (a key's / is written %2F)"),
        (
            "s3: 's3://k:hu/sh@x:y/z'",
            "s3 is not a URL such as s3://key:secret@region/bucket (a key's / is written %2F)",
        ),
        ("s3: 'http://k:hush@a b:9000/y'", ENDPOINT_REFUSED),
        ("bucketnames: a, endpoint: 'https://<minio host>:9000'", ENDPOINT_REFUSED),
        ("bucketnames: a, endpoint: 'htp:/minio :9000'", ENDPOINT_REFUSED),
        ("bucketnames: a, endpoint: 'https://minio:port'", ENDPOINT_REFUSED),
        (
            "bucketnames: <CHUNK BUCKET NAME>, region: x",
            "'<CHUNK BUCKET NAME>' is no name of a bucket, use letters, digits, '.', '-', '_'",
        ),
        (
            "bucketnames: a, region: <S3 BUCKET REGION>",
            "'<S3 BUCKET REGION>' is no name of a region, use one such as eu-west-3",
        ),
        (
            'bucketnames: a, access_key_id: "k\\n", secret_access_key: hush',
            "access_key_id has a character that no key has, such as a line break at its end",
        ),
        (
            'bucketnames: a, access_key_id: k, secret_access_key: "hush\\n"',
            "secret_access_key has a character that no key has, such as a line break at its end",
        ),
        (
            "bucketnames: a, access_key_id: k, secret_access_key: hush, session_token: hu sh",
            "session_token has a character that no key has, such as a line break at its end",
        ),
    ],
)
def test_s3_that_cannot_be(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        store(f"storage_config: {{aws: {{{text}}}}}")
    assert str(caught.value) == f"CONFIG ERROR: invalid storage_config config: {reason}"


def test_gcs_and_azure() -> None:
    assert store("storage_config: {gcs: {bucket_name: b, service_account: '{}'}}") == GcsOptions("b", "{}")
    assert store("common: {storage: {gcs: {bucket_name: b}}}") == GcsOptions("b")
    assert store("storage_config: {azure: {account_name: a, account_key: k}}") == AzureOptions("a", "loki", "k")
    suffixed = store("storage_config: {azure: {account_name: a, container_name: c, endpoint_suffix: blob.core.x}}")
    assert suffixed == AzureOptions("a", "c", endpoint_url="https://a.blob.core.x")
    keyed = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5==;EndpointSuffix=core.windows.net"
    assert store(f"storage_config: {{azure: {{connection_string: '{keyed}'}}}}") == AzureOptions(
        "a", "loki", "a2V5==", endpoint_url="https://a.blob.core.windows.net"
    )
    assert store("storage_config: {azure: {account_name: a, environment: AzureUSGovernment}}") == AzureOptions(
        "a", "loki", endpoint_url="https://a.blob.core.usgovcloudapi.net"
    )
    managed = "account_name: a, use_managed_identity: true, user_assigned_id: u"
    assert store(f"storage_config: {{azure: {{{managed}}}}}") == AzureOptions(
        "a", "loki", client_id="u", credentials="managed_identity"
    )
    with pytest.raises(ConfigError, match="connection_string names no AccountName"):
        store("storage_config: {azure: {connection_string: 'hush=1'}}")
    with pytest.raises(ConfigError, match="no storage account is named, set account_name"):
        store("storage_config: {azure: {account_key: k}}")
    with pytest.raises(ConfigError, match="no bucket is named, set bucket_name"):
        store("storage_config: {gcs: {service_account: k}}")


@pytest.mark.parametrize(
    ("text", "directory"),
    [
        ("storage_config: {filesystem: {directory: /d}}", "/d"),
        ("storage_config: {filesystem: {directory: d}}", "/srv/d"),
        ("common: {path_prefix: /p}", "/p/chunks"),
        ("common: {path_prefix: /p, storage: {filesystem: {chunks_directory: /c}}}", "/c"),
        (
            "common: {storage: {filesystem: {chunks_directory: /c}}}\nstorage_config: {filesystem: {directory: /d}}",
            "/d",
        ),
        ("storage_config: {use_thanos_objstore: true, object_store: {filesystem: {dir: /t}}}", "/t"),
    ],
)
def test_local_directories(text: str, directory: str) -> None:
    assert store(text) == FilesystemOptions(Path(directory))


def test_a_local_store_needs_a_directory() -> None:
    with pytest.raises(ConfigError, match=r"no directory is named, set filesystem\.directory or common\.path_prefix"):
        store("schema_config: {configs: [{from: 2020-01-01, object_store: filesystem}]}")


def test_what_common_says_of_a_store_holds_where_its_own_block_is_silent() -> None:
    text = """\
common: {storage: {s3: {endpoint: 'http://minio:9000', s3forcepathstyle: true, region: a, bucketnames: x}}}
storage_config: {aws: {bucketnames: logs, region: b}}
"""
    assert store(text) == S3Options(
        "logs", region="b", endpoint_url="http://minio:9000", path_style=True, allow_http=True
    )


UNIFORM = "s3: {bucket_name: logs, endpoint: minio:9000, region: r, insecure: true, http: {}, sse: {}}"

UNIFORM_OPTIONS = S3Options(
    "logs", region="r", endpoint_url="http://minio:9000", path_style=True, allow_http=True, prefix="loki"
)


@pytest.mark.parametrize(
    "text",
    [
        f"storage_config: {{use_thanos_objstore: true, object_store: {{{UNIFORM}, storage_prefix: loki}}}}",
        "storage_config: {use_thanos_objstore: true}\n"
        f"common: {{storage: {{object_store: {{{UNIFORM}, storage_prefix: loki}}}}}}",
        "storage_config: {use_thanos_objstore: true, object_store: {storage_prefix: loki}, "
        "aws: {bucketnames: old, endpoint: old}}\n"
        f"common: {{storage: {{object_store: {{{UNIFORM}, storage_prefix: other}}, s3: {{bucketnames: older}}}}}}",
    ],
)
def test_the_uniform_block_describes_the_bucket_alone(text: str) -> None:
    assert store(text) == UNIFORM_OPTIONS


def test_keys_of_the_uniform_block() -> None:
    text = """\
storage_config:
  use_thanos_objstore: true
  object_store:
    s3:
      bucket_name: logs
      endpoint: s3.eu-west-3.amazonaws.com
      bucket_lookup_type: %s
      max_retries: 9
      part_size: 5
      http: {response_header_timeout: 2s, idle_conn_timeout: 5s, tls_config: {ca_path: ca.pem}, max_idle_connections: 1}
"""
    http = HttpOptions(read_timeout_s=2.0, idle_timeout_s=5.0, ca_file=BASE / "ca.pem")
    options = S3Options(
        "logs", endpoint_url="https://s3.eu-west-3.amazonaws.com", http=http, retries=RetryOptions(9, 0.1, 3.0)
    )
    assert store(text % "auto") == options
    assert store(text % "path") == replace(options, path_style=True)
    _, ignored = parse_config_text(text % "''", "loki.yaml")
    assert [key.path.rpartition(".")[2] for key in ignored] == ["part_size", "max_idle_connections"]
    google = "storage_config: {use_thanos_objstore: true, object_store: {gcs: {bucket_name: b, max_retries: 1}}}"
    assert store(google) == GcsOptions("b")


def test_periods_are_sorted_and_choose_their_store() -> None:
    text = """\
schema_config:
  configs:
    - {from: 2024-01-01, object_store: aws}
    - {from: 2020-01-01, object_store: filesystem}
    - {from: 2022-01-01, object_store: old_disk}
storage_config:
  filesystem: {directory: /d}
  aws: {bucketnames: logs}
  named_stores: {filesystem: {old_disk: {directory: /old}}}
"""
    options = storage(text)
    stores = [period.object_store for period in options.periods]
    assert stores == [FilesystemOptions(Path("/d")), FilesystemOptions(Path("/old")), S3Options("logs")]
    start = options.periods[1].start_ns
    assert start == 18_993 * DAY_NS
    assert options.period_at(start) is options.periods[1]
    assert options.period_at(start - 1) is options.periods[0]
    assert options.period_at(0) is options.periods[0]


@pytest.mark.parametrize("day", ["2024-01-01", '"2024-01-01"', "'2024-01-01'", "!!str 2024-01-01"])
def test_a_day_may_be_a_date_or_a_text(day: str) -> None:
    (period,) = storage(f"schema_config: {{configs: [{{from: {day}, object_store: inmemory}}]}}").periods
    assert period.start_ns == 19_723 * DAY_NS


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_an_unknown_store_of_delete_requests_is_refused(enabled: str) -> None:
    named = "storage_config: {filesystem: {directory: /d}, named_stores: {filesystem: {cold: {directory: /c}}}}\n"
    text = f"{named}compactor:\n  retention_enabled: {enabled}\n  delete_request_store: nosuch\n"
    with pytest.raises(ConfigError) as caught:
        storage(text)
    assert str(caught.value) == (
        "CONFIG ERROR: invalid compactor config: loki.yaml: line 4: unrecognized store 'nosuch' in "
        "compactor.delete_request_store, use one of filesystem, s3, aws, gcs, azure, inmemory, "
        "alibabacloud, bos, cos, swift, cold"
    )


@pytest.mark.parametrize("name", ["filesystem", "s3", "aws", "gcs", "azure", "inmemory", "swift", "cold", "''"])
def test_any_store_of_loki_may_be_named_for_delete_requests(name: str) -> None:
    named = "storage_config: {filesystem: {directory: /d}, named_stores: {aws: {cold: {bucketnames: b}}}}\n"
    assert storage(f"{named}compactor: {{delete_request_store: {name}}}").periods


def test_unknown_stores_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        store("schema_config: {configs: [{from: 2020-01-01, object_store: swift}]}")
    assert str(caught.value) == (
        "CONFIG ERROR: invalid schema_config config: loki.yaml: line 1: unrecognized object_store 'swift' in "
        "schema_config.configs.object_store, use one of filesystem, s3, aws, gcs, azure, inmemory"
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("store: boltdb", "unrecognized value 'boltdb', use one of tsdb, boltdb-shipper in store in schema_config.co"),
        ("schema: v10", "unrecognized value 'v10', use one of v11, v12, v13 in schema in schema_config.configs"),
        ("from: 2020-13-01", "cannot unmarshal !!timestamp `2020-13-01` into config.DayTime (use a day such as 2026"),
        ("from: 20240101", "cannot unmarshal !!int `20240101` into config.DayTime (use a day such as 2026-01-31) in "),
        ("from: '20240101'", "cannot unmarshal !!str `20240101` into config.DayTime (use a day such as 2026-01-31)"),
        ("from: 2024-W05-1", "cannot unmarshal !!str `2024-W05-1` into config.DayTime (use a day such as 2026-01-31)"),
    ],
)
def test_unknown_names_of_a_period_are_refused_with_their_line(line: str, reason: str) -> None:
    text = f"schema_config:\n  configs:\n    - object_store: filesystem\n      {line}\n"
    with pytest.raises(ConfigError) as caught:
        parse_config_text(text, "loki.yaml")
    assert "loki.yaml" in str(caught.value)
    assert f"line 4: {reason}" in str(caught.value)


def test_keys_of_periods_and_named_stores_without_effect_are_listed_once() -> None:
    period = "{from: 202%d-01-01, object_store: cold, index: {prefix: index_, period: 24h}}"
    _, ignored = parse_config_text(
        "storage_config: {named_stores: {aws: {cold: {bucketnames: b, signature_version: v4}}}}\n"
        f"schema_config: {{configs: [{period % 1}, {period % 2}]}}",
        "loki.yaml",
    )
    assert [(key.path, key.line) for key in ignored] == [
        ("storage_config.named_stores.aws.cold.signature_version", 1),
        ("schema_config.configs.index.prefix", 2),
        ("schema_config.configs.index.period", 2),
    ]


@pytest.mark.parametrize("where", ["common: {path_prefix: /p, storage: %s}", "storage_config: %s"])
def test_hedging_is_taken_from_either_block(where: str) -> None:
    text = where % "{hedging: {at: 250ms, up_to: 3, max_per_second: 10}, filesystem: {}}"
    schema = "\nschema_config: {configs: [{from: 2020-01-01, object_store: inmemory}]}"
    assert storage(text + schema).hedging == HedgingOptions(0.25, 3, 10)
    assert store(text + schema) == MemoryOptions()


def test_no_secret_is_in_a_repr() -> None:
    values, _ = parse_config_text(
        "storage_config: {aws: {s3: 's3://hushkey:hush@eu/logs', session_token: hush}}\n"
        "schema_config: {configs: [{from: 2020-01-01, object_store: s3}]}",
        "loki.yaml",
    )
    assert "hush" not in repr(build_server_config(values, base=BASE, now_ns=30_000 * DAY_NS, cores=1))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "aws: {cold: {bucketnames: b}}, filesystem: {cold: {directory: /d}}",
            "'cold' in named_stores is the name of two",
        ),
        ("filesystem: {s3: {directory: /d}}", "'s3' in named_stores is a kind of store, use another name"),
        ("gcs: {inmemory: {bucket_name: b}}", "'inmemory' in named_stores is a kind of store, use another name"),
    ],
)
def test_named_stores_whose_names_mean_two(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=f"^CONFIG ERROR: invalid storage_config config: {reason}"):
        store(f"storage_config: {{filesystem: {{directory: /x}}, named_stores: {{{text}}}}}")
