"""Push, flush, compact, `kill -9` at a random moment, start again, count.

Run it as `python -m tests.system.crash_cycles --cycles 200`.

Nothing acknowledged may be lost, nothing may be there twice; pushes that were cut off come again, as agents send them.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from lodur.model.clock import SystemClock
from tests.servers.lodur import LODUR, LodurServer
from tests.system.pushing import DAY_NS, Client, Pusher, ServerGone, Verdict, config_text, judge

PUSHERS = 4

LOAD_S = (0.05, 1.2)
"""How long a cycle is under load before the kill: in and between appends, flushes and commits."""

FLUSH_BYTES = "64KiB"
"""So small that most cycles kill the server while it flushes."""

TARGET_BYTES = "256KiB"
"""So small that there is always something to merge, and some kills come in the midst of it."""


def crash_cycles(directory: Path, *, cycles: int, seed: int, judge_every: int) -> Verdict:
    """Run the cycles in a directory; the last verdict. AssertionError at the first one that is not clean."""
    rng = random.Random(seed)
    config = config_text(
        flush_bytes=FLUSH_BYTES,
        check="100ms",
        idle="1s",
        compaction="50ms",
        target_bytes=TARGET_BYTES,
        grace="1s",
    )
    server = LodurServer(directory, config_text=config)
    start_ns = SystemClock().now_ns() - 3600 * 10**9
    pushers = [Pusher(number, server.port, start_ns) for number in range(PUSHERS)]
    verdict = Verdict(0, [], [], [])
    server.start()
    for cycle in range(1, cycles + 1):
        stop = threading.Event()
        threads = [threading.Thread(target=pusher.run, args=(stop,)) for pusher in pushers]
        for thread in threads:
            thread.start()
        try:
            time.sleep(rng.uniform(*LOAD_S))
            server.kill()
            server.start()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        if cycle % judge_every == 0 or cycle == cycles:
            verdict = _judged(server, pushers, start_ns, cycle)
    server.terminate()
    _check_store(server)
    return verdict


def _check_store(server: LodurServer) -> None:
    """Merges have happened, every live segment is whole, and nothing lies about that nobody knows."""
    command = [str(LODUR), "segments", "--config-file", "lodur.yaml", "verify"]
    told = subprocess.run(command, cwd=server.directory, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "unknown" not in told.stdout, told.stdout
    assert "msg=compacted" in server.log(), server.log()[-6000:]


def _judged(server: LodurServer, pushers: list[Pusher], start_ns: int, cycle: int) -> Verdict:
    problems = [problem for pusher in pushers for problem in pusher.problems]
    assert not problems, problems
    client = Client(server.port)
    try:
        verdict = judge(client, pushers, start_ns - 2 * DAY_NS, start_ns + DAY_NS)
    except ServerGone as error:
        raise AssertionError(f"cycle {cycle}: the server is gone: {server.log()[-6000:]}") from error
    client.close()
    shown = f"lost {verdict.lost[:3]}, doubled {verdict.doubled[:3]}, foreign {verdict.foreign[:3]}"
    counts = f"lost {len(verdict.lost)}, doubled {len(verdict.doubled)}, foreign {len(verdict.foreign)}"
    assert verdict.is_clean, f"cycle {cycle}: {counts}: {shown}\n{server.log()[-6000:]}"
    return verdict


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--judge-every", type=int, default=10)
    arguments = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        verdict = crash_cycles(
            Path(directory), cycles=arguments.cycles, seed=arguments.seed, judge_every=arguments.judge_every
        )
    seconds = time.monotonic() - begun
    print(f"{arguments.cycles} kills in {seconds:.0f} s: {verdict.acknowledged} lines acknowledged, 0 lost, 0 doubled")
    return 0


if __name__ == "__main__":
    sys.exit(main())
