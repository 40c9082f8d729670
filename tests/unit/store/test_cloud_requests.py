"""What is sent to an S3 store: parts, headers, retries; and what of its answers is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lodur.model.errors import Unauthenticated, Unavailable
from lodur.model.limits import MIB
from lodur.store.cloud_clients import open_object_store
from lodur.store.cloud_errors import translated
from lodur.store.options import RetryOptions, S3Options
from lodur.telemetry.store_metrics import StoreMetrics
from tests.servers.s3 import S3Server
from tests.servers.store_proxy import StoreProxy

QUICK = RetryOptions(retries_max=3, least_pause_s=0.01, most_pause_s=0.02)


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[StoreProxy]:
    allowed = ("s3:ListBucket", "s3:PutObject", "s3:GetObject", "s3:DeleteObject")
    with StoreProxy(s3_server.endpoint, allowed=allowed) as proxy:
        yield proxy


@pytest.fixture
def options(s3_server: S3Server, proxy: StoreProxy) -> S3Options:
    return S3Options(
        bucket=s3_server.new_bucket(),
        region=s3_server.region,
        endpoint_url=proxy.endpoint,
        access_key_id=s3_server.access_key,
        secret_access_key=s3_server.secret_key,
        path_style=True,
        allow_http=True,
        retries=QUICK,
    )


def test_large_files_go_in_parts_which_the_policy_allows(options: S3Options, proxy: StoreProxy, tmp_path: Path) -> None:
    store = open_object_store(options, spool_directory=tmp_path / "spool")
    data = bytes(range(256)) * (20 * MIB // 256)
    spooled = store.spool("t/large")
    spooled.write_bytes(data)
    store.put_file("t/large", spooled)
    assert proxy.requests["s3:PutObject"] == 5
    assert proxy.refused == []
    found = store.get("t/large")
    assert found is not None
    assert found.data == data


def test_a_deleted_object_needs_one_permission(options: S3Options, proxy: StoreProxy, tmp_path: Path) -> None:
    store = open_object_store(options, spool_directory=tmp_path / "spool")
    assert store.replace_if("t/x", b"1", None) is not None
    store.delete("t/x")
    store.delete("t/x")
    assert store.get("t/x") is None
    assert proxy.refused == []
    assert proxy.requests["s3:DeleteObject"] == 2


def test_encryption_and_storage_class_are_asked_for(options: S3Options, proxy: StoreProxy, tmp_path: Path) -> None:
    encrypted = replace(
        options, server_side_encryption="aws:kms", kms_key_id="key-of-ours", storage_class="STANDARD_IA"
    )
    store = open_object_store(encrypted, spool_directory=tmp_path / "spool")
    spooled = store.spool("t/segment")
    spooled.write_bytes(b"rows")
    store.put_file("t/segment", spooled)
    ((_, sent),) = [each for each in proxy.headers if each[0] == "s3:PutObject"]
    assert sent["x-amz-server-side-encryption"] == "aws:kms"
    assert sent["x-amz-server-side-encryption-aws-kms-key-id"] == "key-of-ours"
    assert sent["x-amz-storage-class"] == "STANDARD_IA"
    proxy.headers.clear()
    store.replace_if("t/manifest", b"{}", None)
    ((_, sent),) = proxy.headers
    assert sent["x-amz-server-side-encryption"] == "aws:kms"
    assert "x-amz-storage-class" not in sent


def test_failures_of_the_server_are_tried_again(options: S3Options, proxy: StoreProxy, tmp_path: Path) -> None:
    store = open_object_store(options, spool_directory=tmp_path / "spool")
    proxy.failures += [503, 500]
    assert store.get("t/x") is None
    assert proxy.requests["s3:GetObject"] == 3
    proxy.failures += [503] * 4
    with pytest.raises(Unavailable, match="get t/x failed"):
        store.get("t/x")
    assert proxy.failures == []


def test_reads_are_counted_as_they_are_made(options: S3Options, proxy: StoreProxy, tmp_path: Path) -> None:
    registry = CollectorRegistry()
    store = open_object_store(options, spool_directory=tmp_path / "spool", metrics=StoreMetrics(registry))
    store.replace_if("t/x", bytes(MIB), None)
    proxy.forget()
    assert store.get_ranges("t/x", [(0, 10), (100, 10), (MIB - 10, 10)]) == [bytes(10)] * 3
    assert proxy.requests == {"s3:GetObject": 2}
    assert proxy.answer_bytes == {"s3:GetObject": 120}
    assert registry.get_sample_value("lodur_object_store_requests_total", {"operation": "get_range"}) == 2
    assert registry.get_sample_value("lodur_object_store_read_bytes_total") == 120


ANSWER = """\
Error performing GET http://s3/b?X-Amz-Signature=0123abcd&X-Goog-Credential=0123abcd&x=1 - Server returned \
non-2xx status code: 403 Forbidden:
<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code><Message>The signature differs.</Message>
<AWSAccessKeyId>AKIAHUSH</AWSAccessKeyId><StringToSign>AWS4 hush</StringToSign>
<CanonicalRequest>x-amz-security-token:hush</CanonicalRequest></Error>

Debug source: hush"""


def test_of_an_answer_only_code_and_message_are_told() -> None:
    error = translated("s3 bucket b", "get x", OSError("k3y " + ANSWER), ["k3y"])
    assert isinstance(error, Unauthenticated)
    assert "SignatureDoesNotMatch: The signature differs.; check the keys" in str(error)
    for secret in ("hush", "HUSH", "0123abcd", "k3y"):
        assert secret not in str(error)


def test_a_wrong_region_is_told() -> None:
    text = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-west-3</Region></Error>"
    error = translated("s3 bucket b", "list /", OSError(text), [])
    assert str(error) == (
        "s3 bucket b: list / was refused: the bucket lies in another region (eu-west-3) than storage_config says; "
        "set region"
    )
