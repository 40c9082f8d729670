"""The four permissions of Loki's usual IAM policy are all that a server needs: every other request is denied here."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, urlencode, urlsplit

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lodur.store.compaction.policy import OPEN_DAY_INPUTS_MIN
from lodur.store.object_wal.lease import Lease, LeaseState, encode_lease
from lodur.store.object_wal.names import lease_path, object_path
from tests.conftest import StartLodur
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server
from tests.servers.store_proxy import StoreProxy
from tests.system.conftest import Connect
from tests.system.pushing import DAY_NS, Client, push_body
from tests.system.test_serve_s3 import COMPACTION, config_text, not_ready_text, segment_keys

POLICY = ("s3:ListBucket", "s3:PutObject", "s3:GetObject", "s3:DeleteObject")


EVERYTHING_IN_THE_BUCKET = """\
  compactor:
    reader_grace: 0s
  wal: object
  object_wal:
    lease: 3s
compactor:
  compaction_interval: 200ms
  retention_enabled: true
  retention_delete_delay: 0s
  delete_request_store: s3
  delete_request_cancel_period: 1s
limits_config:
  retention_period: 36h
  reject_old_samples: false
ruler:
  poll_interval: 1s
"""

RULES = b"""
name: g
interval: 1s
rules:
- alert: Lines
  expr: sum(count_over_time({app="crash"}[1h])) > 0
"""

PLACES = (
    ("s3:ListBucket", ""),
    ("s3:PutObject", "wal/leases/"),
    ("s3:PutObject", "wal/"),
    ("s3:GetObject", "wal/leases/"),
    ("s3:GetObject", "wal/"),
    ("s3:DeleteObject", "wal/leases/"),
    ("s3:DeleteObject", "wal/"),
    ("s3:PutObject", "fake/segments/"),
    ("s3:GetObject", "fake/segments/"),
    ("s3:DeleteObject", "fake/segments/"),
    ("s3:PutObject", "fake/manifest/"),
    ("s3:PutObject", "fake/deletes/"),
    ("s3:GetObject", "fake/deletes/"),
    ("s3:PutObject", "fake/rules/"),
    ("s3:GetObject", "fake/rules/"),
    ("s3:PutObject", "fake/state/ruler/"),
    ("s3:GetObject", "fake/state/ruler/"),
)
"""What a server with everything in the bucket has done there, of each kind of object."""

DONE_WRITER = "0f0e0d0c-0b0a-4908-8706-050403020100"

DEADLINE_S = 60.0


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
    for number in range(OPEN_DAY_INPUTS_MIN):  # as many are merged at any time of the day
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


def test_four_permissions_are_enough_for_logs_deletes_retention_and_rules(
    lodur_server: StartLodur, connect: Connect, s3_server: S3Server, guarded: StoreProxy, now_ns: int
) -> None:
    """All that lies in a bucket, and a process that is killed and whose write-ahead log the other one adopts."""
    bucket = s3_server.new_bucket()
    leave_done_log(s3_server, bucket, now_ns)
    touched: set[tuple[str, str]] = set()
    guarded.before = lambda action, target: touched.add((action, kind_of_object(bucket, target)))
    text = config_text(s3_server, bucket).replace(s3_server.endpoint, guarded.endpoint) + EVERYTHING_IN_THE_BUCKET
    writer, other = (lodur_server(config_text=text, start=False) for _ in range(2))
    for server in (writer, other):
        server.process.start()
    wait_until(lambda: writer.is_ready() and other.is_ready(), deadline_s=DEADLINE_S, what="readiness")
    client = connect(writer)
    assert client.push(push_body(1, 1, now_ns - 3 * DAY_NS)[0]) == 204
    client.request("POST", "/flush")
    assert client.status == 204
    kept, deleted = push_body(1, 2, now_ns), push_body(2, 3, now_ns - 60 * 10**9)
    assert [client.push(body) for body, _ in (kept, deleted)] == [204, 204]
    writer.kill()
    wait_until(lambda: "write-ahead log adopted" in other.log(), deadline_s=DEADLINE_S, what="the adoption")

    client = connect(other)
    client.request("POST", "/loki/api/v1/rules/ns", RULES)
    assert client.status == 202
    wait_until(lambda: alerts(client) == ["Lines"], deadline_s=DEADLINE_S, what="the alert")
    delete(client, '{pusher="2"}', now_ns)
    wait_until(lambda: statuses(client) == {"processed"}, deadline_s=DEADLINE_S, what="the removal of what was deleted")
    wait_until(lambda: found(client, now_ns) == sorted(kept[1]), deadline_s=DEADLINE_S, what="the end of what is old")
    wait_until(lambda: len(segment_keys(s3_server, bucket)) == 2, deadline_s=DEADLINE_S, what="two days' segments")
    assert stored_lines(s3_server, bucket) == sorted(kept[1])
    assert guarded.refused == []
    assert set(guarded.requests) == set(POLICY)
    assert [place for place in PLACES if place not in touched] == []


def leave_done_log(s3_server: S3Server, bucket: str, now_ns: int) -> None:
    """Of a writer that was adopted days ago: what is left of it is due to be deleted."""
    done = Lease(DONE_WRITER, LeaseState.DONE, end_number=1, said_at_ns=now_ns - 2 * DAY_NS)
    for key, body in ((object_path(DONE_WRITER, 1), b"end"), (lease_path(DONE_WRITER), encode_lease(done))):
        s3_server.client().put_object(Bucket=bucket, Key=key, Body=body)


def kind_of_object(bucket: str, target: str) -> str:
    """The folder of an object, without the parts that are the names of writers, days and the like."""
    key = unquote(urlsplit(target).path).removeprefix(f"/{bucket}").lstrip("/")
    return next((folder for _, folder in PLACES if folder and key.startswith(folder)), "")


def found(client: Client, now_ns: int) -> list[str]:
    return sorted(client.lines('{app="crash"}', now_ns - 5 * DAY_NS, now_ns + DAY_NS))


def stored_lines(s3_server: S3Server, bucket: str) -> list[str]:
    """Of all segments that lie in a bucket."""
    s3 = s3_server.client()
    files = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in segment_keys(s3_server, bucket)]
    return sorted(line for file in files for line in pq.read_table(pa.BufferReader(file)).column("line").to_pylist())


def alerts(client: Client) -> list[str]:
    told = orjson.loads(client.get("/prometheus/api/v1/alerts", {}))["data"]["alerts"]
    return [alert["labels"]["alertname"] for alert in told]


def delete(client: Client, query: str, now_ns: int) -> None:
    start_s = now_ns // 10**9
    asked = {"query": query, "start": str(start_s - 5 * 86400), "end": str(start_s)}
    client.request("POST", f"/loki/api/v1/delete?{urlencode(asked)}")
    assert client.status == 204


def statuses(client: Client) -> set[str]:
    return {one["status"] for one in orjson.loads(client.get("/loki/api/v1/delete", {}))}


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
