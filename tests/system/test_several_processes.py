"""Several processes on one bucket of a real S3 server, with the WAL in it: roles, killed and frozen writers."""

from __future__ import annotations

import random
import signal
import threading
import time
from urllib.parse import urlencode

import orjson

from tests.conftest import StartLodur
from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server
from tests.system.conftest import Connect
from tests.system.pushing import DAY_NS, LINES_PER_PUSH, Client, Pusher, judge, push_body

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
limits_config:
  ingestion_rate_mb: 1024
  ingestion_burst_size_mb: 1024
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
  max_entries_limit_per_query: 0
compactor:
  compaction_interval: 1s
  retention_enabled: true
  delete_request_store: s3
lodur:
  wal: object
  object_wal:
    lease: 3s
  ingester:
    flush_bytes: {flush_bytes}
"""

SEEN_WITHIN_S = 2.0

ADOPTED_WITHIN_S = 40.0
"""A lease of 3 s and some looks, on a machine that is busy."""

ROUNDS = 3
LOAD_S = (0.5, 2.0)


def config_text(server: S3Server, bucket: str, flush_bytes: str = "1MiB") -> str:
    return CONFIG.format(
        endpoint=server.endpoint,
        region=server.region,
        bucket=bucket,
        access_key=server.access_key,
        secret_key=server.secret_key,
        flush_bytes=flush_bytes,
    )


def found_lines(client: Client, first_ns: int) -> list[str]:
    return sorted(client.lines('{app="crash"}', first_ns - 2 * DAY_NS, first_ns + DAY_NS))


def wait_for_lines(client: Client, lines: list[str], first_ns: int, *, deadline_s: float) -> None:
    wait_until(
        lambda: found_lines(client, first_ns) == sorted(lines), deadline_s=deadline_s, what="all lines in the answer"
    )


def push_one(client: Client, number: int, first_ns: int) -> list[str]:
    body, lines = push_body(1, number, first_ns)
    assert client.push(body) == 204
    return lines


def adoptions(server: LodurServer) -> int:
    return server.log().count("write-ahead log adopted")


def check_delete_requests(reader: Client, backend: Client, writer: Client, now_ns: int) -> None:
    """Readers and backends take them, as Loki's readers and its compactor do."""
    start_s = now_ns // 10**9 - 60
    asked = urlencode({"query": '{app="nowhere"}', "start": str(start_s), "end": str(start_s + 60)})
    for number, client in enumerate((reader, backend), start=1):
        client.request("POST", f"/loki/api/v1/delete?{asked}")
        assert client.status == 204
        for other in (reader, backend):
            assert len(orjson.loads(other.get("/loki/api/v1/delete", {}))) == number
    writer.get("/loki/api/v1/delete", {})
    assert writer.status == 404


def test_one_process_for_each_role(
    lodur_server: StartLodur, connect: Connect, s3_server: S3Server, now_ns: int
) -> None:
    text = config_text(s3_server, s3_server.new_bucket())
    backend = lodur_server("-target=backend", config_text=text)
    reader = lodur_server("-target=querier", config_text=text)
    writer = lodur_server("-target=distributor,ingester", config_text=text)
    to, of = connect(writer), connect(reader)
    lines: list[str] = []
    for number in range(6):
        lines += push_one(to, number, now_ns)
        wait_for_lines(of, lines, now_ns, deadline_s=SEEN_WITHIN_S)
        if number == 3:
            to.request("POST", "/flush")
            assert to.status == 204
            assert found_lines(of, now_ns) == sorted(lines)
    assert connect(backend).push(push_body(1, 99, now_ns)[0]) == 404
    assert of.push(push_body(1, 99, now_ns)[0]) == 404
    to.get("/loki/api/v1/labels", {})
    assert to.status == 404
    check_delete_requests(of, connect(backend), to, now_ns)

    writer.kill()
    assert found_lines(of, now_ns) == sorted(lines)
    wait_until(lambda: adoptions(backend) == 1, deadline_s=ADOPTED_WITHIN_S, what="the adoption")
    assert found_lines(of, now_ns) == sorted(lines)
    writer.start()
    lines += push_one(connect(writer), 6, now_ns)
    fresh = connect(lodur_server("-target=read", config_text=text))
    assert found_lines(fresh, now_ns) == sorted(lines)
    wait_for_lines(of, lines, now_ns, deadline_s=10.0)
    count = of.metric('sum(count_over_time({app="crash"}[3d]))', now_ns + 10**9)
    assert count == 7 * LINES_PER_PUSH
    assert writer.terminate() == 0
    # A log that was left behind is adopted at once.
    wait_until(lambda: adoptions(backend) == 2, deadline_s=ADOPTED_WITHIN_S, what="the second adoption")
    assert found_lines(of, now_ns) == sorted(lines)
    for server in (backend, reader, writer):
        assert "level=error" not in server.log(), server.log()[-4000:]


def test_writers_are_killed_under_load(
    lodur_server: StartLodur, connect: Connect, s3_server: S3Server, now_ns: int
) -> None:
    rng = random.Random(7)
    text = config_text(s3_server, s3_server.new_bucket(), flush_bytes="64KiB")
    servers = [lodur_server(config_text=text) for _ in range(2)]
    pushers = [Pusher(number, servers[number % 2].port, now_ns) for number in range(4)]
    stop = threading.Event()
    threads = [threading.Thread(target=pusher.run, args=(stop,)) for pusher in pushers]
    for thread in threads:
        thread.start()
    try:
        for number in range(ROUNDS):
            time.sleep(rng.uniform(*LOAD_S))
            servers[number % 2].restart()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not [problem for pusher in pushers for problem in pusher.problems]
    wait_until(
        lambda: sum(map(adoptions, servers)) >= ROUNDS - 1, deadline_s=ADOPTED_WITHIN_S, what="the adoption of logs"
    )
    assert sum(len(pusher.acknowledged) for pusher in pushers) > 0
    for server in servers:
        client = connect(server)

        def has_all(client: Client = client) -> bool:
            verdict = judge(client, pushers, now_ns - 2 * DAY_NS, now_ns + DAY_NS)
            assert not verdict.doubled, verdict.doubled[:5]
            assert not verdict.foreign, verdict.foreign[:5]
            return not verdict.lost

        # What was acknowledged last is followed within two seconds, on a machine that is not busy.
        wait_until(has_all, deadline_s=10.0, what="all acknowledged lines in the answers")


def test_a_frozen_writer_begins_anew(
    lodur_server: StartLodur, connect: Connect, s3_server: S3Server, now_ns: int
) -> None:
    text = config_text(s3_server, s3_server.new_bucket())
    writer, other = (lodur_server(config_text=text) for _ in range(2))
    lines = push_one(connect(writer), 1, now_ns)
    writer.process.send(signal.SIGSTOP)
    wait_until(lambda: adoptions(other) == 1, deadline_s=ADOPTED_WITHIN_S, what="the adoption")
    assert found_lines(connect(other), now_ns) == sorted(lines)
    writer.process.send(signal.SIGCONT)
    wait_until(lambda: writer.log().count("msg=ready") == 2, deadline_s=60, what="the new beginning")
    lines += push_one(connect(writer), 2, now_ns)
    assert found_lines(connect(writer), now_ns) == sorted(lines)
    wait_for_lines(connect(other), lines, now_ns, deadline_s=10.0)
    assert writer.terminate() == 0
