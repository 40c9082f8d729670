"""A server whose store is a bucket of a real S3 server: flush, restart without a cache, query; and when S3 is away."""

from __future__ import annotations

import urllib.error
import urllib.request

from tests.conftest import StartLodur
from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server
from tests.system.conftest import Connect
from tests.system.pushing import DAY_NS, LINES_PER_PUSH, Client, push_body

CONFIG = """\
auth_enabled: false
common:
  path_prefix: data
storage_config:
  aws:
    endpoint: {endpoint}
    region: {region}
    bucketnames: {bucket}
    access_key_id: {access_key}
    secret_access_key: {secret_key}
    s3forcepathstyle: true
    insecure: true
schema_config:
  configs:
    - from: "2020-01-01"
      store: tsdb
      object_store: s3
      schema: v13
      index: {{prefix: index_, period: 24h}}
ingester:
  flush_check_period: 100ms
  wal:
    flush_on_shutdown: true
lodur:
  ingester:
    flush_bytes: 1MiB
"""

PUSHES = 50


def config_text(server: S3Server, bucket: str) -> str:
    return CONFIG.format(
        endpoint=server.endpoint,
        region=server.region,
        bucket=bucket,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )


def push_all(client: Client, first_ns: int) -> list[str]:
    lines: list[str] = []
    for number in range(PUSHES):
        body, pushed = push_body(1, number, first_ns)
        assert client.push(body) == 204
        lines += pushed
    return sorted(lines)


def found_lines(client: Client, first_ns: int) -> list[str]:
    return sorted(client.lines('{app="crash"} |= "pusher=1"', first_ns - 2 * DAY_NS, first_ns + DAY_NS))


def test_rows_in_a_bucket_are_found_without_a_cache(
    lodur_server: StartLodur, connect: Connect, s3_server: S3Server, now_ns: int
) -> None:
    bucket = s3_server.new_bucket()
    server = lodur_server(config_text=config_text(s3_server, bucket))
    client = connect(server)
    lines = push_all(client, now_ns)
    assert found_lines(client, now_ns) == lines
    client.request("POST", "/flush")
    assert client.status == 204
    assert found_lines(client, now_ns) == lines
    keys = [found["Key"] for found in s3_server.client().list_objects_v2(Bucket=bucket)["Contents"]]
    assert sum(key.endswith(".parquet") for key in keys) == 2
    assert sum("/manifest/" in key for key in keys) == 2
    assert server.terminate() == 0

    # Another machine: nothing of the first but the bucket.
    fresh = lodur_server(config_text=config_text(s3_server, bucket))
    client = connect(fresh)
    assert found_lines(client, now_ns) == lines
    count = client.metric('sum(count_over_time({app="crash"}[3d]))', now_ns + 10**9)
    assert count == PUSHES * LINES_PER_PUSH


def test_pushes_are_kept_while_the_bucket_is_away(
    lodur_server: StartLodur, connect: Connect, s3_server: S3Server, now_ns: int
) -> None:
    bucket = s3_server.new_bucket()
    server = lodur_server("-ingester.flush-on-shutdown=false", config_text=config_text(s3_server, bucket))
    s3_server.stop()
    try:
        client = connect(server)
        lines = push_all(client, now_ns)
        assert found_lines(client, now_ns) == lines
        server.kill()
        server.process.start()
        wait_until(lambda: "object store does not answer" in server.log(), deadline_s=90, what="the warning")
        assert not server.is_ready()
        assert " failed: connection refused (" in not_ready_text(server)
        assert " failed: connection refused (" in server.log()
        assert s3_server.secret_key not in server.log()
    finally:
        s3_server.start()
    wait_until(server.is_ready, deadline_s=90, what="readiness")
    client = connect(server)
    assert found_lines(client, now_ns) == lines
    client.request("POST", "/flush")
    assert found_lines(client, now_ns) == lines


def test_a_missing_bucket_is_waited_for_and_told(lodur_server: StartLodur, s3_server: S3Server) -> None:
    server = lodur_server(config_text=config_text(s3_server, "made-later"), start=False)
    server.process.start()
    wait_until(lambda: "there is no such bucket" in not_ready_text(server), deadline_s=60, what="the reason")
    assert "s3 bucket made-later: there is no such bucket; make it" in not_ready_text(server)
    s3_server.client().create_bucket(Bucket="made-later")
    wait_until(server.is_ready, deadline_s=60, what="readiness")
    assert s3_server.secret_key not in server.log()


def test_wrong_keys_are_told_without_them(lodur_server: StartLodur, s3_server: S3Server) -> None:
    text = config_text(s3_server, s3_server.new_bucket()).replace(s3_server.secret_key, "a-wrong-secret")
    server = lodur_server(config_text=text, start=False)
    server.process.start()
    wait_until(lambda: "was refused" in not_ready_text(server), deadline_s=60, what="the reason")
    told = not_ready_text(server) + server.log() + page(server, "/config")
    assert "check the keys in storage_config" in told
    assert "a-wrong-secret" not in told
    assert s3_server.access_key not in told


def not_ready_text(server: LodurServer) -> str:
    """Why the server is not ready; empty where it does not answer yet."""
    try:
        return page(server, "/ready")
    except OSError:
        return ""


def page(server: LodurServer, path: str) -> str:
    try:
        with urllib.request.urlopen(f"{server.url}{path}", timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


COMPACTION = """\
  compactor:
    target_bytes: 64KiB
    reader_grace: {grace}
compactor:
  compaction_interval: 200ms
"""


def segment_keys(s3_server: S3Server, bucket: str) -> list[str]:
    found = s3_server.client().list_objects_v2(Bucket=bucket)["Contents"]
    return [one["Key"] for one in found if one["Key"].endswith(".parquet")]


def test_segments_of_a_bucket_are_compacted_under_running_queries(
    lodur_server: StartLodur, connect: Connect, s3_server: S3Server, now_ns: int
) -> None:
    bucket = s3_server.new_bucket()
    text = config_text(s3_server, bucket)
    server = lodur_server(config_text=text + COMPACTION.format(grace="0s"))
    # This one compacts nothing and learns of what the other does only when it misses a segment.
    client = connect(server)
    lines: list[str] = []
    reader: Client | None = None
    for number in range(24):
        body, pushed = push_body(1, number, now_ns)
        assert client.push(body) == 204
        lines += pushed
        client.request("POST", "/flush")
        assert client.status == 204
        if number == 3:
            reader = connect(lodur_server(config_text=text))
            assert found_lines(reader, now_ns) == sorted(lines)
            known = sorted(lines)
        assert found_lines(client, now_ns) == sorted(lines)
    assert reader is not None
    wait_until(lambda: "msg=compacted" in server.log(), deadline_s=60, what="a merge")
    wait_until(lambda: len(segment_keys(s3_server, bucket)) < 20, deadline_s=60, what="the deletion of what was merged")
    assert found_lines(client, now_ns) == sorted(lines)
    assert set(found_lines(reader, now_ns)) >= set(known)
    assert client.metric('sum(count_over_time({app="crash"}[3d]))', now_ns + 10**9) == len(lines)
    server.kill()
    server.start()
    client = connect(server)
    assert found_lines(client, now_ns) == sorted(lines)
    assert client.metric('sum(count_over_time({app="crash"}[3d]))', now_ns + 10**9) == len(lines)
    assert "set aside" not in server.log()
