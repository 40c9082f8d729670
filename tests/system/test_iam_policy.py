"""The four permissions of Loki's usual IAM policy are all that a server needs: every other request is denied here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import StartLodur
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server
from tests.servers.store_proxy import StoreProxy
from tests.system.conftest import Connect
from tests.system.pushing import DAY_NS, push_body
from tests.system.test_serve_s3 import COMPACTION, config_text, not_ready_text, segment_keys

POLICY = ("s3:ListBucket", "s3:PutObject", "s3:GetObject", "s3:DeleteObject")


@pytest.fixture
def guarded(s3_server: S3Server) -> Iterator[StoreProxy]:
    with StoreProxy(s3_server.endpoint, allowed=POLICY) as proxy:
        yield proxy


def test_four_permissions_are_enough(
    lodur_server: StartLodur, connect: Connect, s3_server: S3Server, guarded: StoreProxy, now_ns: int
) -> None:
    bucket = s3_server.new_bucket()
    text = config_text(s3_server, bucket).replace(s3_server.endpoint, guarded.endpoint)
    server = lodur_server(config_text=text + COMPACTION.format(grace="0s"))
    client = connect(server)
    lines: list[str] = []
    for number in range(6):
        body, pushed = push_body(1, number, now_ns)
        assert client.push(body) == 204
        lines += pushed
        client.request("POST", "/flush")
        assert client.status == 204
    wait_until(lambda: "msg=compacted" in server.log(), deadline_s=60, what="a merge")
    wait_until(lambda: "segments deleted" in server.log(), deadline_s=60, what="the deletion of what was merged")
    server.kill()
    server.start()
    client = connect(server)
    found = client.lines('{app="crash"}', now_ns - 2 * DAY_NS, now_ns + DAY_NS)
    assert sorted(found) == sorted(lines)
    assert guarded.refused == []
    assert set(guarded.requests) == set(POLICY)
    assert segment_keys(s3_server, bucket)


def test_a_missing_permission_is_named_by_ready(
    lodur_server: StartLodur, s3_server: S3Server, guarded: StoreProxy
) -> None:
    guarded.allowed = frozenset(POLICY) - {"s3:ListBucket"}
    text = config_text(s3_server, s3_server.new_bucket()).replace(s3_server.endpoint, guarded.endpoint)
    server = lodur_server(config_text=text, start=False)
    server.process.start()
    wait_until(lambda: "was refused" in not_ready_text(server), deadline_s=60, what="the reason")
    guarded.allowed = frozenset(POLICY)
    wait_until(server.is_ready, deadline_s=60, what="readiness once it was granted")


@pytest.mark.parametrize(("withheld", "what"), [("s3:PutObject", "replace"), ("s3:DeleteObject", "delete")])
def test_a_missing_permission_to_write_is_named_by_ready(
    lodur_server: StartLodur, s3_server: S3Server, guarded: StoreProxy, withheld: str, what: str
) -> None:
    guarded.allowed = frozenset(POLICY) - {withheld}
    bucket = s3_server.new_bucket()
    text = config_text(s3_server, bucket).replace(s3_server.endpoint, guarded.endpoint)
    server = lodur_server(config_text=text, start=False)
    server.process.start()
    wait_until(lambda: "was refused" in not_ready_text(server), deadline_s=60, what="the reason")
    assert f"s3 bucket {bucket}: {what} write-probe-" in not_ready_text(server)
    guarded.allowed = frozenset(POLICY)
    wait_until(server.is_ready, deadline_s=60, what="readiness once it was granted")
    kept = s3_server.client().list_objects_v2(Bucket=bucket).get("Contents", [])
    assert not [one["Key"] for one in kept if "write-probe" in one["Key"]]


def test_who_only_reads_needs_no_permission_to_write(
    lodur_server: StartLodur, s3_server: S3Server, guarded: StoreProxy
) -> None:
    guarded.allowed = frozenset({"s3:ListBucket", "s3:GetObject"})
    text = config_text(s3_server, s3_server.new_bucket()).replace(s3_server.endpoint, guarded.endpoint)
    lodur_server("-target=querier", "-lodur.wal=object", config_text=text)
    assert guarded.refused == []
