"""Periods with stores of their own: entries land in the store of their day, however late, and all of them are read."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.conftest import StartLodur
from tests.servers.lodur import LODUR, LodurServer
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server
from tests.system.conftest import Connect
from tests.system.pushing import DAY_NS, Client

CONFIG = """\
auth_enabled: false
common:
  path_prefix: data
storage_config:
  filesystem:
    directory: data/old
  aws:
    s3: s3://{access_key}:{secret_key}@{host}/{bucket}
    region: {region}
    insecure: true
  named_stores:
    filesystem:
      attic:
        directory: data/attic
schema_config:
  configs:
    - {{from: "2020-01-01", store: boltdb-shipper, object_store: attic, schema: v11}}
    - {{from: "2024-03-05", store: tsdb, object_store: filesystem, schema: v12}}
    - {{from: "2024-03-06", store: tsdb, object_store: aws, schema: v13}}
limits_config:
  reject_old_samples: false
ingester:
  wal:
    flush_on_shutdown: true
lodur:
  compactor:
    target_bytes: 1MiB
    settled_after: 0s
    reader_grace: 0s
compactor:
  compaction_interval: 200ms
"""

SWITCH_NS = 1_709_683_200 * 10**9
"""2024-03-06 in UTC, when the bucket's period begins."""

DAYS = {"2024-03-04": "attic", "2024-03-05": "old", "2024-03-06": "bucket", "2024-03-07": "bucket"}


def config_text(server: S3Server, bucket: str) -> str:
    return CONFIG.format(
        access_key=server.access_key,
        secret_key=server.secret_key,
        host=server.endpoint.removeprefix("http://"),
        bucket=bucket,
        region=server.region,
    )


def push_days(client: Client, turn: int) -> list[str]:
    """One entry on each side of every midnight, flushed; the latest day first."""
    values = []
    for day in (1, 0, -1, -2):
        start_ns = SWITCH_NS + day * DAY_NS
        values += [(start_ns + turn, f"first {day} {turn}"), (start_ns + DAY_NS - 1 - turn, f"last {day} {turn}")]
    body = {"streams": [{"stream": {"app": "p"}, "values": [[str(ts_ns), line] for ts_ns, line in values]}]}
    client.request("POST", "/loki/api/v1/push", json.dumps(body).encode(), {"Content-Type": "application/json"})
    assert client.status == 204
    client.request("POST", "/flush")
    assert client.status == 204
    return [line for _, line in values]


def stored(server: LodurServer, s3_server: S3Server, bucket: str) -> dict[str, dict[str, int]]:
    """Segments of each day, by place."""
    found: dict[str, dict[str, int]] = {}
    for place in ("attic", "old"):
        for file in (server.data / place).rglob("*.parquet"):
            count(found, file.parent.name, place)
    for each in s3_server.client().list_objects_v2(Bucket=bucket).get("Contents", []):
        if each["Key"].endswith(".parquet"):
            count(found, Path(each["Key"]).parent.name, "bucket")
    return found


def count(found: dict[str, dict[str, int]], day: str, place: str) -> None:
    places = found.setdefault(day, {})
    places[place] = places.get(place, 0) + 1


def test_each_day_lies_in_the_store_of_its_period(
    lodur_server: StartLodur, connect: Connect, s3_server: S3Server
) -> None:
    bucket = s3_server.new_bucket()
    server = lodur_server("-compactor.compaction-interval=1h", config_text=config_text(s3_server, bucket))
    assert f'object_store="s3 bucket {bucket}"' in server.log()
    assert "boltdb-shipper and tsdb are one here" in server.log()
    assert s3_server.secret_key not in server.log()
    client = connect(server)
    lines = push_days(client, 0) + push_days(client, 1)
    assert stored(server, s3_server, bucket) == {day: {place: 2} for day, place in DAYS.items()}
    span = (SWITCH_NS - 3 * DAY_NS, SWITCH_NS + 3 * DAY_NS)
    assert sorted(client.lines('{app="p"}', *span)) == sorted(lines)

    server.terminate()
    listing = subprocess.run(
        [LODUR, "segments", "--config-file", "lodur.yaml", "ls"],
        cwd=server.directory,
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(listing.stdout.count(f" {day} ") == 2 for day in DAYS)

    server.process.argv = tuple(each for each in server.process.argv if "compaction-interval" not in each)
    server.start()
    client = connect(server)
    merged = {day: {place: 1} for day, place in DAYS.items()}
    wait_until(lambda: stored(server, s3_server, bucket) == merged, deadline_s=60, what="one segment a day and store")
    assert sorted(client.lines('{app="p"}', *span)) == sorted(lines)
    count_all = client.metric('sum(count_over_time({app="p"}[6d]))', SWITCH_NS + 3 * DAY_NS)
    assert count_all == len(lines)
    assert client.metric('sum(count_over_time({app="p"}[2s]))', SWITCH_NS + 10**9) == 4


def test_a_period_that_is_left_out_is_warned_of(
    lodur_server: StartLodur, connect: Connect, s3_server: S3Server
) -> None:
    text = config_text(s3_server, s3_server.new_bucket())
    server = lodur_server(config_text=text)
    push_days(connect(server), 0)
    server.terminate()
    (server.directory / "lodur.yaml").write_text(text.replace('"2024-03-06"', '"2024-03-07"'))
    server.start()
    assert "days are stored where schema_config does not look for them" in server.log()
    assert "first=2024-03-06 last=2024-03-06" in server.log()
