"""A disk that is full: pushes are answered with 5xx, queries go on, and all goes on by itself when there is room.

The disk is a small tmpfs, or the test is skipped where none can be mounted.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.system.conftest import Connect
from tests.system.pushing import Client

DISK_MIB = 24

DEADLINE_S = 60.0

CONFIG = """\
auth_enabled: false
server:
  http_listen_address: 127.0.0.1
common:
  path_prefix: {disk}
storage_config:
  filesystem:
    directory: {disk}/store
ingester:
  chunk_idle_period: {idle}
  flush_check_period: 200ms
  wal:
    disk_full_threshold: {full}
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return filler


class Pushing:
    """Lines that were acknowledged, and those that were not."""

    def __init__(self, client: Client, now_ns: int) -> None:
        self.client = client
        self.now_ns = now_ns
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self.answer = b""

    def push(self, size_bytes: int = 2000) -> int:
        """The status of a push of one line."""
        number = len(self.acknowledged) + len(self.refused)
        line = f"line {number} " + f"{number:08x}" * (size_bytes // 8)
        body = {"streams": [{"stream": {"app": "disk"}, "values": [[str(self.now_ns + number), line]]}]}
        headers = {"Content-Type": "application/json"}
        self.answer = self.client.request("POST", "/loki/api/v1/push", orjson.dumps(body), headers)
        (self.acknowledged if self.client.status == 204 else self.refused).append(line)
        return self.client.status

    def check(self) -> None:
        """Everything that was acknowledged is there once, and nothing twice."""
        found = self.client.lines('{app="disk"}', self.now_ns - 1, self.now_ns + 10**9)
        assert len(found) == len(set(found))
        assert set(self.acknowledged) <= set(found) <= {*self.acknowledged, *self.refused}


@pytest.mark.parametrize("full", [0.8, 1.0])
def test_a_full_disk_refuses_pushes_and_recovers(
    tmp_path: Path, disk: Path, connect: Connect, now_ns: int, full: float
) -> None:
    """Refused before the disk is full, and where it fills up in the midst of a write."""
    server = LodurServer(tmp_path, config_text=CONFIG.format(disk=disk, full=full, idle="1h"))
    server.start()
    pushing = Pushing(connect(server), now_ns)
    assert pushing.push() == 204
    filler = fill(disk)
    wait_until(lambda: pushing.push(100_000) == 503, deadline_s=DEADLINE_S, what="refusal")
    assert pushing.answer.endswith(b"\n")
    assert pushing.answer.count(b"\n") == 1
    pushing.check()
    filler.unlink()
    wait_until(lambda: pushing.push() == 204, deadline_s=DEADLINE_S, what="recovery")
    pushing.check()
    server.terminate()


def test_a_server_starts_on_a_full_disk_and_flushes_when_there_is_room(
    tmp_path: Path, disk: Path, connect: Connect, now_ns: int
) -> None:
    config = CONFIG.format(disk=disk, full=1.0, idle="500ms")
    server = LodurServer(tmp_path, config_text=CONFIG.format(disk=disk, full=1.0, idle="1h"))
    server.start()
    pushing = Pushing(connect(server), now_ns)
    for _ in range(20):
        assert pushing.push() == 204
    server.kill()
    filler = fill(disk)
    (tmp_path / "lodur.yaml").write_text(config)
    server.start()
    pushing.client.close()
    pushing.check()
    assert pushing.push(100_000) == 503
    wait_until(lambda: "flush failed" in server.log(), deadline_s=DEADLINE_S, what="a flush without room")
    pushing.check()
    filler.unlink()
    wait_until(lambda: "msg=flushed" in server.log(), deadline_s=DEADLINE_S, what="the flush")
    assert pushing.push() == 204
    pushing.check()
    server.terminate()
    assert list((disk / "store").rglob("*.parquet"))
