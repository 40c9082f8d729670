"""Several compactors on one bucket of a real S3 server, killed while they work and while others push and ask."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from pathlib import Path

from tests.conftest import StartLodur
from tests.servers.lodur import LODUR, LodurServer
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server
from tests.system.conftest import Connect
from tests.system.pushing import DAY_NS, Client, Pusher, judge
from tests.system.test_several_processes import ADOPTED_WITHIN_S, config_text

COMPACTION = """\
  compactor:
    target_bytes: 128KiB
    reader_grace: 2s
    settled_after: 0s
"""

ROUNDS = int(os.environ.get("LODUR_COMPACTOR_ROUNDS", "2"))
"""Kills of one compactor or the other."""
PAUSE_S = (0.0, 0.3)
"""Before a kill, so that it meets merges at different places."""

ALL = 'sum(count_over_time({app="crash"}[3d]))'


class Asker:
    """Counts all rows again and again; what is acknowledged is counted once from then on, whatever is merged."""

    def __init__(self, port: int, pushers: list[Pusher], now_ns: int) -> None:
        self.counted = 0
        self.problems: list[str] = []
        self._client = Client(port)
        self._pushers = pushers
        self._now_ns = now_ns

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            found = self._client.metric(ALL, self._now_ns + DAY_NS)
            # A push whose answer has not come yet may be counted, and so may one that came while it was counted.
            most = sum(len(pusher.acknowledged) + len(pusher.unacknowledged()) for pusher in self._pushers)
            if not self.counted <= found <= most:
                self.problems.append(f"{found} rows were counted after {self.counted}, and there are {most} at most")
            self.counted = int(found)
        self._client.close()


def merges(server: LodurServer) -> int:
    return server.log().count("msg=compacted")


def stored_segments(s3_server: S3Server, bucket: str) -> int:
    pages = s3_server.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return sum(one["Key"].endswith(".parquet") for page in pages for one in page.get("Contents", []))


def verified(server: LodurServer) -> subprocess.CompletedProcess[str]:
    config = server.directory / "lodur.yaml"
    command = [str(LODUR), "verify", "--config-file", str(config), "-q"]
    return subprocess.run(command, cwd=Path(server.directory), capture_output=True, text=True, timeout=60, check=False)


def test_compactors_are_killed_under_load(
    lodur_server: StartLodur, connect: Connect, s3_server: S3Server, now_ns: int
) -> None:
    rng = random.Random(11)
    bucket = s3_server.new_bucket()
    text = config_text(s3_server, bucket, flush_bytes="8KiB") + COMPACTION
    text = text.replace("compaction_interval: 1s", "compaction_interval: 100ms")
    front = lodur_server("-target=read,write", config_text=text)
    compactors = [lodur_server("-target=backend", config_text=text) for _ in range(2)]
    pushers = [Pusher(number, front.port, now_ns) for number in range(4)]
    asker = Asker(front.port, pushers, now_ns)
    stop = threading.Event()
    runs = [*(pusher.run for pusher in pushers), asker.run]
    threads = [threading.Thread(target=run, args=(stop,)) for run in runs]
    for thread in threads:
        thread.start()
    try:
        for number in range(ROUNDS):
            before = sum(map(merges, compactors))
            wait_until(lambda: sum(map(merges, compactors)) > before, deadline_s=60, what="merges")  # noqa: B023
            time.sleep(rng.uniform(*PAUSE_S))
            compactors[number % 2].kill()
            compactors[number % 2].process.start()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not [problem for pusher in pushers for problem in pusher.problems]
    assert not asker.problems
    assert asker.counted
    client = connect(front)
    client.request("POST", "/flush")
    wait_until(lambda: stored_segments(s3_server, bucket) <= 12, deadline_s=ADOPTED_WITHIN_S, what="the merges")
    verdict = judge(client, pushers, now_ns - 2 * DAY_NS, now_ns + DAY_NS)
    assert verdict.is_clean, verdict
    assert client.metric(ALL, now_ns + DAY_NS) == sum(len(pusher.acknowledged) for pusher in pushers)
    checked = verified(front)
    assert checked.returncode == 0, checked.stdout
    for server in (front, *compactors):
        assert "level=error" not in server.log(), server.log()[-4000:]
