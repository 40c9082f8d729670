"""Object stores: every way to describe one, and the periods that use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.config.errors import ConfigError
from lodur.config.loading import parse_config_text
from lodur.config.server_config import build_server_config
from lodur.store.options import (
    AzureOptions,
    FilesystemOptions,
    GcsOptions,
    ObjectStoreOptions,
    S3Options,
    StorageOptions,
)

BASE = Path("/srv")
DAY_NS = 24 * 3600 * 10**9


def storage(text: str) -> StorageOptions:
    values, _ = parse_config_text(text, "loki.yaml")
    return build_server_config(values, base=BASE, now_ns=30_000 * DAY_NS, cores=1).storage


def store(text: str) -> ObjectStoreOptions:
    (period,) = storage(text).periods
    return period.object_store


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
        ("s3: s3://eu-west-3/logs, bucketnames: other", S3Options("other", region="eu-west-3")),
        ("s3: s3://eu-west-3/logs, access_key_id: 012", S3Options("logs", region="eu-west-3", access_key_id="012")),
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
        ("s3: s3://eu-west-3/a/b", "no bucket is named, set bucketnames or s3: s3://region/bucket"),
        ("bucketnames: 'a,b'", "bucketnames has 2 buckets, use one"),
        ("s3: http://hush@x/y", "s3 is not a URL such as s3://key:secret@region/bucket (a key's / is written %2F)"),
        (
            "s3: 's3://k:hu/sh@x:y/z'",
            "s3 is not a URL such as s3://key:secret@region/bucket (a key's / is written %2F)",
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


def test_the_uniform_block_describes_a_bucket() -> None:
    text = """\
storage_config:
  use_thanos_objstore: true
  object_store:
    s3: {bucket_name: logs, endpoint: minio:9000, insecure: true, bucket_lookup_type: path}
    storage_prefix: loki
"""
    assert store(text) == S3Options(
        "logs", endpoint_url="http://minio:9000", path_style=True, allow_http=True, prefix="loki"
    )


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


def test_unknown_stores_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        store("schema_config: {configs: [{from: 2020-01-01, object_store: swift}]}")
    assert str(caught.value) == (
        "CONFIG ERROR: invalid storage_config config: "
        "unrecognized object_store 'swift', use one of filesystem, s3, aws, gcs, azure"
    )


def test_no_secret_is_in_a_repr() -> None:
    values, _ = parse_config_text(
        "storage_config: {aws: {s3: 's3://hushkey:hush@eu/logs', session_token: hush}}\n"
        "schema_config: {configs: [{from: 2020-01-01, object_store: s3}]}",
        "loki.yaml",
    )
    assert "hush" not in repr(build_server_config(values, base=BASE, now_ns=30_000 * DAY_NS, cores=1))
