"""A copy of a store, made while its server takes pushes and compacts, as docs/how-to/back-up-and-restore.md says."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

from tests.conftest import StartLodur
from tests.servers.lodur import LODUR
from tests.servers.process import wait_until
from tests.system.conftest import Connect
from tests.system.pushing import DAY_NS, Pusher, config_text


def copied(store: Path, place: Path, *, segments: bool) -> None:
    """Either the segments, or all else, without what is being written."""
    for file in [each for each in store.rglob("*") if not each.name.startswith(".spool-") and each.is_file()]:
        if ("segments" in file.relative_to(store).parts) is segments:
            target = place / file.relative_to(store)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def test_a_copy_that_is_made_meanwhile_is_whole(
    lodur_server: StartLodur, connect: Connect, tmp_path: Path, now_ns: int
) -> None:
    text = config_text(flush_bytes="8KiB", check="50ms", compaction="100ms", target_bytes="32KiB", grace="1m")
    server = lodur_server(config_text=text)
    pushers = [Pusher(number, server.port, now_ns) for number in range(2)]
    stop = threading.Event()
    threads = [threading.Thread(target=pusher.run, args=(stop,)) for pusher in pushers]
    for thread in threads:
        thread.start()
    backup = tmp_path / "backup"
    try:
        wait_until(lambda: server.log().count("msg=compacted") > 2, deadline_s=60, what="some merges")
        before = {line for pusher in pushers for line in list(pusher.acknowledged)}
        client = connect(server)
        client.request("POST", "/flush")
        merges = server.log().count("msg=compacted")
        copied(server.data / "store", backup, segments=False)
        wait_until(lambda: server.log().count("msg=compacted") > merges + 1, deadline_s=60, what="merges meanwhile")
        copied(server.data / "store", backup, segments=True)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    verified = subprocess.run(
        [str(LODUR), "verify", "--directory", str(backup)], capture_output=True, text=True, timeout=60, check=False
    )
    assert verified.returncode == 0, verified.stdout
    other = lodur_server(config_text=text, start=False)
    shutil.copytree(backup, other.data / "store")
    other.start()
    found = connect(other).lines('{app="crash"}', now_ns - 2 * DAY_NS, now_ns + DAY_NS)
    pushed = {line for pusher in pushers for line in (*pusher.acknowledged, *pusher.unacknowledged())}
    assert len(found) == len(set(found))
    assert before <= set(found) <= pushed
    assert "level=error" not in other.log(), other.log()[-4000:]
