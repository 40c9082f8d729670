"""Many pushers and queriers at once: `python -m tests.system.concurrent_load --seconds 120`.

Prints rates, the latency of pushes and the server's peak memory; fails where anything was answered with an error or the
final count is not what was acknowledged.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from lodur.model.clock import SystemClock
from tests.servers.lodur import LodurServer
from tests.system.pushing import DAY_NS, Client, config_text

LINES = 200

QUERIES = (
    '{app="load"} |= "line=7 "',
    '{app="load"} |~ "pusher=[0-3] "',
    'sum by (pusher) (count_over_time({app="load"}[1m]))',
    'sum(rate({app="load"} | logfmt | line > 100 [1m]))',
    'topk(3, sum by (pusher) (bytes_over_time({app="load"}[5m])))',
)


@dataclass
class Report:
    """What all threads saw."""

    acknowledged: int = 0
    busy: int = 0
    queries: int = 0
    latencies_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    peak_kib: int = 0
    seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def latency_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[int((len(ordered) - 1) * share)] * 1000


def concurrent_load(directory: Path, *, seconds: float, pushers: int, queriers: int) -> Report:
    """Run the load against a server of its own; AssertionError where an answer or the count was wrong."""
    server = LodurServer(directory, config_text=config_text(flush_bytes="8MiB", check="200ms"))
    server.start()
    report, stop = Report(), threading.Event()
    first_ns = SystemClock().now_ns()
    threads = [
        threading.Thread(target=_push, args=(server.port, number, first_ns, report, stop)) for number in range(pushers)
    ]
    threads += [
        threading.Thread(target=_query, args=(server.port, number, first_ns, report, stop))
        for number in range(queriers)
    ]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    report.seconds = time.monotonic() - begun
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    report.peak_kib = int(found[1]) if found else 0
    assert not report.errors, report.errors[:5]
    client = Client(server.port)
    counted = client.metric('sum(count_over_time({app="load"}[2d]))', first_ns + DAY_NS)
    client.close()
    assert counted == report.acknowledged, f"{counted:.0f} rows found, {report.acknowledged} acknowledged"
    assert server.terminate() == 0
    return report


def _push(port: int, number: int, first_ns: int, report: Report, stop: threading.Event) -> None:
    client, push = Client(port), 0
    while not stop.is_set():
        values = [
            [str(first_ns + (push * LINES + at) * 1000 + number), f"pusher={number} push={push} line={at} level=info"]
            for at in range(LINES)
        ]
        body = orjson.dumps({"streams": [{"stream": {"app": "load", "pusher": str(number)}, "values": values}]})
        begun = time.monotonic()
        status = client.push(body)
        with report.lock:
            if status == 204:
                report.latencies_s.append(time.monotonic() - begun)
                report.acknowledged += LINES
                push += 1
            elif status == 503:
                report.busy += 1
            else:
                report.errors.append(f"push: {status}")
                stop.set()
    client.close()


def _query(port: int, number: int, first_ns: int, report: Report, stop: threading.Event) -> None:
    client, rng = Client(port), random.Random(number)
    while not stop.is_set():
        query = rng.choice(QUERIES)
        params = {"query": query, "start": str(first_ns - 60 * 10**9), "end": str(first_ns + 600 * 10**9), "step": "30"}
        body = client.get("/loki/api/v1/query_range", params)
        with report.lock:
            report.queries += 1
            if client.status != 200:
                report.errors.append(f"{query}: {client.status} {body[:200]!r}")
                stop.set()
    client.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--pushers", type=int, default=32)
    parser.add_argument("--queriers", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        report = concurrent_load(
            Path(directory), seconds=arguments.seconds, pushers=arguments.pushers, queriers=arguments.queriers
        )
    print(
        f"{arguments.pushers} pushers, {arguments.queriers} queriers, {report.seconds:.0f} s: "
        f"{report.acknowledged} lines ({report.acknowledged / report.seconds:.0f}/s), {report.queries} queries, "
        f"{report.busy} answered busy; push p50 {report.latency_ms(0.5):.1f} ms, p99 {report.latency_ms(0.99):.1f} ms; "
        f"peak memory {report.peak_kib / 1024:.0f} MiB; no error, every line counted once"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
