"""`python -m bench.many_streams`: does a server bear many tenants, and many streams of one tenant.

Pushes to a thousand tenants, or a hundred thousand streams of one, in equal steps; what a step costs in processor time
must not grow with what is there already. Then asks for labels, series, volumes and a count, flushes, asks again, and
starts the server anew over the same data. The exit status is 1 where a bar is missed.
"""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import click
import orjson

from bench.bars import Bar, Side
from bench.process_facts import cpu_s, memory
from bench.server import STILL_FLUSHING
from tests.servers.lodur import LodurServer

CONFIG = """
auth_enabled: true
server: {log_level: warn}
limits_config:
  ingestion_rate_mb: 1024
  ingestion_burst_size_mb: 1024
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
  max_global_streams_per_user: 0
  max_query_series: 0
"""

STEPS = 10

GROWTH_MAX = 3.0
"""Bar: processor time of the last step, in first steps: some ten where each stream or tenant looks at all before it."""

STREAMS_PEAK = Bar(Side.AT_MOST, 512, "MiB")
"""Of a process with 100,000 streams of one tenant: 321 MiB when it was set."""

TENANTS_PEAK = Bar(Side.AT_MOST, 256, "MiB")
"""Of a process with 1,000 tenants: 113 MiB when it was set."""

STREAMS_PER_PUSH = 500
LINES_PER_STREAM = 2
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Bench:
    """A server, and one connection to it."""

    server: LodurServer
    connection: http.client.HTTPConnection

    def request(self, method: str, path: str, tenant: str, body: bytes = b"") -> tuple[bytes, float]:
        headers = {"X-Scope-OrgID": tenant, **({"Content-Type": "application/json"} if body else {})}
        start = time.perf_counter()
        self.connection.request(method, path, body or None, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if path == "/flush" and answer.status == STILL_FLUSHING:
            return self.request(method, path, tenant)
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:300]!r}")
        return text, time.perf_counter() - start

    def push(self, tenant: str, streams: range) -> None:
        now_ns = time.time_ns()
        body = {
            "streams": [
                {
                    "stream": {"app": f"app-{number % 100}", "pod": f"pod-{number:06d}"},
                    "values": [
                        [str(now_ns + line), f"level=info line={line} of {number}"] for line in range(LINES_PER_STREAM)
                    ],
                }
                for number in streams
            ]
        }
        self.request("POST", "/loki/api/v1/push", tenant, orjson.dumps(body))

    def flush(self) -> None:
        self.request("POST", "/flush", "any")

    def step(self, name: str, act: Callable[[], None]) -> float:
        """Do something and print what it cost; the processor time, in seconds."""
        pid = self.server.process.pid
        cpu_before_s, start = cpu_s(pid), time.perf_counter()
        act()
        wall_s, used_s = time.perf_counter() - start, cpu_s(pid) - cpu_before_s
        held = memory(pid)
        print(
            f"{name:<24}{wall_s:8.2f} s  {used_s:8.2f} CPU-s  {held.now_bytes / MIB:7.0f} MiB  "
            f"peak {held.peak_bytes / MIB:7.0f} MiB",
            flush=True,
        )
        return used_s

    def peak_mib(self) -> float:
        """The most memory that the server has had."""
        return memory(self.server.process.pid).peak_bytes / MIB

    def ask_all(self, tenant: str) -> None:
        span = {"start": str(time.time_ns() - 3600 * 10**9), "end": str(time.time_ns() + 10**9)}

        def get(path: str, **params: str) -> Callable[[], None]:
            target = f"/loki/api/v1/{path}?{urlencode({**span, **params})}"
            return lambda: print(f"    {len(self.request('GET', target, tenant)[0])} bytes", end="")

        self.step("  labels", get("labels"))
        self.step("  values of pod", get("label/pod/values"))
        self.step("  series", get("series"))
        self.step("  detected labels", get("detected_labels"))
        self.step("  volume by pod", get("index/volume", query="{}", targetLabels="pod", limit="100"))
        self.step("  stats", get("index/stats", query='{app=~".+"}'))
        self.step("  count by app", get("query", query='sum by (app) (count_over_time({pod=~".+"}[1h]))'))
        self.step("  count by pod", get("query", query='count(sum by (pod) (count_over_time({pod=~".+"}[1h])))'))
        self.step("  one stream", get("query_range", query='{pod="pod-000077"}'))
        self.step(
            "  metrics page", lambda: print(f"    {len(self.request('GET', '/metrics', tenant)[0])} bytes", end="")
        )


def many_tenants(bench: Bench, tenants: int) -> list[float]:
    """Push to that many tenants and ask one; processor time of each step."""
    used_s: list[float] = []
    for first in range(0, tenants, max(1, tenants // STEPS)):
        last = min(first + max(1, tenants // STEPS), tenants)

        def act(first: int = first, last: int = last) -> None:
            for number in range(first, last):
                bench.push(f"tenant-{number}", range(20))

        used_s.append(bench.step(f"tenants up to {last}", act))
    bench.ask_all("tenant-7")
    return used_s


def many_streams(bench: Bench, streams: int) -> list[float]:
    """Push that many streams of one tenant and ask for them; processor time of each step."""
    used_s: list[float] = []

    def repeat() -> None:
        for low in range(0, streams, STREAMS_PER_PUSH):
            bench.push("one", range(low, min(low + STREAMS_PER_PUSH, streams)))

    for first in range(0, streams, max(1, streams // STEPS)):
        last = min(first + max(1, streams // STEPS), streams)

        def act(first: int = first, last: int = last) -> None:
            for low in range(first, last, STREAMS_PER_PUSH):
                bench.push("one", range(low, min(low + STREAMS_PER_PUSH, last)))

        used_s.append(bench.step(f"streams up to {last}", act))
    bench.step("the same again", repeat)
    bench.ask_all("one")
    return used_s


def is_met(name: str, used_s: Sequence[float], peak_mib: float, peak_bar: Bar) -> bool:
    """Print the figures that have a bar; whether all of them are met."""
    growth = used_s[-1] / used_s[0]
    is_small, is_steady = peak_bar.holds(peak_mib), growth <= GROWTH_MAX
    print(f"{name}: peak {peak_mib:.0f} MiB (bar {peak_bar}): {_verdict(is_small)}")
    print(f"{name}: the last step took {growth:.2f} times the first (bar ≤ {GROWTH_MAX:g}): {_verdict(is_steady)}")
    return is_small and is_steady


def _verdict(is_good: bool) -> str:
    return "met" if is_good else "MISSED"


@click.command()
@click.option("--tenants", default=1000, show_default=True, help="0 leaves them out.")
@click.option("--streams", default=100_000, show_default=True, help="0 leaves them out.")
def main(tenants: int, streams: int) -> None:
    """Push to many tenants, then to many streams."""
    verdicts: list[bool] = []
    for name, count, fill, asked, peak_bar in (
        ("tenants", tenants, many_tenants, "tenant-7", TENANTS_PEAK),
        ("streams", streams, many_streams, "one", STREAMS_PEAK),
    ):
        if count:
            verdicts.append(run(name, count, fill, asked, peak_bar))
    sys.exit(0 if all(verdicts) else 1)


def run(name: str, count: int, fill: Callable[[Bench, int], list[float]], asked: str, peak_bar: Bar) -> bool:
    """Fill a server of its own, ask it, kill it, ask it again; whether the bars are met."""
    with TemporaryDirectory() as directory:
        server = LodurServer(Path(directory), config_text=CONFIG)
        server.start()
        try:
            bench = Bench(server, http.client.HTTPConnection("127.0.0.1", server.port, timeout=600))
            bench.step("nothing", lambda: None)
            used_s = fill(bench, count)
            bench.step("flush", bench.flush)
            bench.ask_all(asked)
            bench.connection.close()
            peak_mib = bench.peak_mib()
            begun = time.perf_counter()
            server.kill()
            server.start(deadline_s=600)
            print(f"killed and ready again after {time.perf_counter() - begun:.1f} s")
            again = Bench(server, http.client.HTTPConnection("127.0.0.1", server.port, timeout=600))
            again.step("after the start", lambda: None)
            again.ask_all(asked)
            return is_met(name, used_s, max(peak_mib, again.peak_mib()), peak_bar)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
