"""`python -m bench.noisy_tenant`: what a tenant that floods does to the answers that another one gets.

A quiet tenant pushes and asks a little; beside it, in turns, there is nobody, or a loud tenant that sends requests of
one kind as fast as they are answered. What is printed is how the quiet one's times change; the bar is twice its
quiet 99th percentile. The loud clients run at the lowest priority, so that they take from the quiet client and from the
server what requests cost the server, and not the processor. Phases alternate, because machines change. The exit status
is 0 unless an answer of the quiet tenant was none.
"""

from __future__ import annotations

import http.client
import itertools
import multiprocessing
import os
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import click
import orjson
from rich.console import Console
from rich.table import Table

from bench.figures import percentile
from tests.servers.lodur import LodurServer

BAR = 2.0
"""What the 99th percentile may become beside a flood."""

KINDS = ("push", "small", "bad", "query", "labels", "tails")

LOUD_NICENESS = 19
LOUD_LINES = 4000
SMALL_LINES = 4
"""Of small pushes, which stay below every rate."""
BAD_BODY = b'{"streams": [{"stream": {"app": "loud"}, "values": [['
QUIET_LINES = 100
LINE_BYTES = 200
PUSH_EVERY_S = 0.05
ASK_EVERY_S = 0.1
RANGE_S = 3600
TIMEOUT_S = 60.0
SETTLE_S = 1.0
"""Before a phase is measured."""

CONFIG = """
auth_enabled: true
limits_config:
  max_query_series: 5000
  max_concurrent_tail_requests: 1000
runtime_config: {file: overrides.yaml}
"""

OVERRIDES = """
overrides:
  loud: {ingestion_rate_mb: 1024, ingestion_burst_size_mb: 1024, per_stream_rate_limit: 1GB,
           per_stream_rate_limit_burst: 1GB}
"""

LOUD_QUERIES = (
    'sum by (pod) (count_over_time({app="loud"} |~ "[a-f]{3}9.*zz" [1m]))',
    'sum(rate({app="loud"} | logfmt | took > 5 [5m]))',
    '{app="loud"} |~ "never.*there"',
)
QUIET_QUERIES = (
    '{app="quiet"} |= "line"',
    'sum by (pod) (count_over_time({app="quiet"}[5m]))',
)


@dataclass(slots=True)
class Times:
    """What the quiet tenant saw in the phases of one kind."""

    push_s: list[float] = field(default_factory=list)
    ask_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Client:
    """One connection of a tenant."""

    connection: http.client.HTTPConnection
    tenant: str

    @classmethod
    def of(cls, port: int, tenant: str) -> Client:
        return cls(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S), tenant)

    def push(self, body: bytes) -> tuple[int, bytes]:
        return self._request("POST", "/loki/api/v1/push", body, {"Content-Type": "application/json"})

    def ask(self, query: str) -> tuple[int, bytes]:
        now_s = time.time_ns() / 1e9
        params = {"query": query, "start": f"{now_s - RANGE_S:.3f}", "end": f"{now_s:.3f}", "step": "15s"}
        return self._request("GET", f"/loki/api/v1/query_range?{urlencode(params)}", b"", {})

    def labels(self) -> tuple[int, bytes]:
        return self._request("GET", "/loki/api/v1/label/pod/values", b"", {})

    def tail(self) -> tuple[int, bytes]:
        """Open a tail, and leave without a word."""
        path = "/loki/api/v1/tail?" + urlencode({"query": '{app="loud"} |= "never there"', "limit": "1"})
        with socket.create_connection((self.connection.host, self.connection.port), TIMEOUT_S) as connection:
            connection.sendall(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Scope-OrgID: {self.tenant}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            head = connection.recv(1 << 12)
        return int(head.split(b" ", 2)[1]) if head else 0, b""

    def _request(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        self.connection.request(method, path, body or None, {**headers, "X-Scope-OrgID": self.tenant})
        answer = self.connection.getresponse()
        return answer.status, answer.read()


def push_body(app: str, lines: int, chance: random.Random, *, ago_s: float = 0.0) -> bytes:
    """Lines of now, or of the time since `ago_s`."""
    now_ns = time.time_ns()
    streams = []
    for pod in range(4):
        values = []
        for line in range(lines // 4):
            ts_ns = now_ns - int(chance.random() * ago_s * 1e9) + line
            text = f"level=info took={chance.randrange(10)} line={line} id={chance.getrandbits(128):032x} "
            values.append([str(ts_ns), text.ljust(LINE_BYTES, "x")])
        streams.append({"stream": {"app": app, "pod": str(pod)}, "values": values})
    return orjson.dumps({"streams": streams})


def loud_act(kind: str, client: Client, number: int) -> Callable[[], tuple[int, bytes]]:
    """What one connection of the loud tenant does again and again."""
    if kind in ("push", "small"):
        body = push_body("loud", SMALL_LINES if kind == "small" else LOUD_LINES, random.Random(number))
        return lambda: client.push(body)
    if kind == "bad":
        return lambda: client.push(BAD_BODY)
    if kind == "labels":
        return client.labels
    if kind == "tails":
        return client.tail
    queries = itertools.cycle(LOUD_QUERIES[number % 3 :] + LOUD_QUERIES[: number % 3])
    return lambda: client.ask(next(queries))


def flood(port: int, kind: str, clients: int, stop: Event, said: multiprocessing.Queue[dict[str, int]]) -> None:
    """Be the loud tenant until told to stop; runs in a process of its own."""
    os.nice(LOUD_NICENESS)
    statuses: Counter[str] = Counter()
    lock = threading.Lock()

    def loop(number: int) -> None:
        client = Client.of(port, "loud")
        act = loud_act(kind, client, number)
        while not stop.is_set():
            try:
                status, _ = act()
            except (OSError, http.client.HTTPException):
                client.connection.close()
                status = 0
            with lock:
                statuses[str(status)] += 1

    threads = [threading.Thread(target=loop, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said.put(dict(statuses))


def measure(port: int, seconds: float, times: Times) -> None:
    """Be the quiet tenant for so long."""
    end = time.monotonic() + seconds

    def every(period_s: float, act: Callable[[], tuple[int, bytes]], seen: list[float]) -> None:
        due = time.monotonic()
        while due < end:
            time.sleep(max(0.0, due - time.monotonic()))
            start = time.perf_counter()
            status, text = act()
            seen.append(time.perf_counter() - start)
            if status >= 300:
                times.failures.append(f"{status} {text[:200]!r}")
            due = max(due + period_s, time.monotonic())

    pushing, asking = Client.of(port, "quiet"), Client.of(port, "quiet")
    chance = random.Random(0)
    queries: Iterator[str] = itertools.cycle(QUIET_QUERIES)
    threads = [
        threading.Thread(
            target=every,
            args=(PUSH_EVERY_S, lambda: pushing.push(push_body("quiet", QUIET_LINES, chance)), times.push_s),
        ),
        threading.Thread(target=every, args=(ASK_EVERY_S, lambda: asking.ask(next(queries)), times.ask_s)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def phase(port: int, kind: str, seconds: float, clients: int, times: Times) -> Counter[str]:
    """Measure beside a flood of a kind, or beside nobody; the statuses of the flood's answers."""
    if kind == "nobody":
        measure(port, seconds, times)
        return Counter()
    context = multiprocessing.get_context("spawn")
    stop, said = context.Event(), context.Queue()
    loud = context.Process(target=flood, args=(port, kind, clients, stop, said))
    loud.start()
    time.sleep(SETTLE_S + 1.0)
    measure(port, seconds, times)
    stop.set()
    statuses = Counter(said.get())
    loud.join()
    time.sleep(SETTLE_S)
    return statuses


def fill(port: int, megabytes: int) -> None:
    """Give the loud tenant lines to ask for, and the quiet one some."""
    chance = random.Random(1)
    client = Client.of(port, "loud")
    for _ in range(megabytes * 10**6 // (LOUD_LINES * LINE_BYTES)):
        body = push_body("loud", LOUD_LINES, chance, ago_s=RANGE_S)
        while client.push(body)[0] == 429:
            time.sleep(0.1)
    quiet = Client.of(port, "quiet")
    for _ in range(10):
        quiet.push(push_body("quiet", LOUD_LINES // 4, chance, ago_s=RANGE_S))


def report(times: dict[str, Times], loud: dict[str, Counter[str]], console: Console) -> None:
    table = Table(title="times of the quiet tenant", title_justify="left")
    for column in ("beside", "pushes", "p50", "p99", "of quiet", "queries", "p50", "p99", "of quiet", "loud: status"):
        table.add_column(column, justify="right", no_wrap=True)
    base = times["nobody"]
    for kind, seen in times.items():
        cells = [kind]
        for values, quiet in ((seen.push_s, base.push_s), (seen.ask_s, base.ask_s)):
            p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
            share = p99 / percentile(quiet, 0.99)
            mark = "" if share <= BAR else " !"
            cells += [str(len(values)), f"{p50 * 1e3:.1f} ms", f"{p99 * 1e3:.1f} ms", f"{share:.2f}{mark}"]
        statuses = " ".join(f"{status}: {count}" for status, count in sorted(loud[kind].items()))
        table.add_row(*cells, statuses)
    console.print(table)
    for kind, seen in times.items():
        for failure, count in Counter(seen.failures).most_common(3):
            console.print(f"{kind}: {count} x {failure}", style="red", markup=False)


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="Of each phase.")
@click.option("--rounds", default=3, show_default=True, help="Phases of each kind.")
@click.option("--clients", default=32, show_default=True, help="Connections of the loud tenant.")
@click.option("--mb", default=100, show_default=True, help="Of lines that the loud tenant has, and asks for.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(KINDS),
    default=KINDS,
    help="push: large ones, most of them refused; small: those that no rate refuses; bad: bodies that are no JSON; "
    "query; labels; tails: opened and left. [default: all]",
)
def main(seconds: float, rounds: int, clients: int, mb: int, kinds: tuple[str, ...]) -> None:
    """Measure how much a flood disturbs a quiet tenant on this machine."""
    times = {kind: Times() for kind in ("nobody", *kinds)}
    loud: dict[str, Counter[str]] = {kind: Counter() for kind in times}
    with TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "overrides.yaml").write_text(OVERRIDES)
        server = LodurServer(directory, config_text=CONFIG)
        server.start()
        try:
            fill(server.port, mb)
            (directory / "overrides.yaml").write_text("")
            server.restart()
            for _ in range(rounds):
                for kind in times:
                    loud[kind] += phase(server.port, kind, seconds, clients, times[kind])
        finally:
            server.kill()
    report(times, loud, Console() if sys.stdout.isatty() else Console(width=132))
    sys.exit(1 if any(seen.failures for seen in times.values()) else 0)


if __name__ == "__main__":
    main()
