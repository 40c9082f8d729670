"""`python -m bench.tails`: many live tails beside a steady stream of pushes.

Each tail follows one of some apps, so that all lines are wanted by somebody; a few tails more read too slowly. Each
line of each tail must be delivered, in order, or told as dropped: the two together are what was pushed, to the line.
What is measured is how long after the answer to its push the first line of each message was seen by those that read.
Server, pushes and readers share the machine, so their processor time is printed too. The exit status is 1 where a line
was neither seen nor told, or seen later than the bar.
"""

from __future__ import annotations

import http.client
import multiprocessing
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bench.figures import percentile
from bench.process_facts import cpu_s
from bench.tail_readers import NUMBER_DIGITS, Seen, follow
from tests.servers.lodur import LodurServer

BAR_S = 1.0
"""From the answer to a push until its lines are seen."""

LINE_BYTES = 200
LINES_PER_PUSH = 500
CONNECTIONS = 10
"""Enough that waiting for answers does not slow the pushes down."""
READY_S = 60.0

CONFIG = """
auth_enabled: false
limits_config:
  max_concurrent_tail_requests: 0
  ingestion_rate_mb: 1024
  ingestion_burst_size_mb: 1024
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
"""


@dataclass(slots=True)
class Pushed:
    """What was pushed: for each app, when each of its pushes was answered (monotonic)."""

    answers_s: list[list[float]]
    took_s: float = 0.0
    cpu_s: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def lines_each(self) -> int:
        return len(self.answers_s[0]) * LINES_PER_PUSH


def push_body(app: int, first: int) -> bytes:
    now_ns = time.time_ns()
    filling = b"x" * (LINE_BYTES - NUMBER_DIGITS)
    values = b",".join(
        b'["%d","%0*d%b"]' % (now_ns + line, NUMBER_DIGITS, first + line, filling) for line in range(LINES_PER_PUSH)
    )
    return b'{"streams":[{"stream":{"app":"app-%d"},"values":[%b]}]}' % (app, values)


def push_steadily(port: int, apps: int, mb_per_s: float, seconds: float, said: Connection) -> None:
    """Push in turn for each app; runs in a process of its own, and says `Pushed`."""
    rounds = max(1, int(mb_per_s * 1e6 * seconds / (LINE_BYTES * LINES_PER_PUSH * apps)))
    pushed = Pushed([[0.0] * rounds for _ in range(apps)])
    began_s = time.monotonic()

    def pushes_of(worker: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for number in range(rounds):
            for app in range(worker, apps, CONNECTIONS):
                due_s = began_s + (number * apps + app) / (rounds * apps) * seconds
                time.sleep(max(0.0, due_s - time.monotonic()))
                body = push_body(app, number * LINES_PER_PUSH)
                connection.request("POST", "/loki/api/v1/push", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
                pushed.answers_s[app][number] = time.monotonic()
                if answer.status != 204:
                    pushed.failures.append(f"{answer.status} {text[:200]!r}")

    workers = [threading.Thread(target=pushes_of, args=(worker,)) for worker in range(CONNECTIONS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    used = os.times()
    pushed.took_s, pushed.cpu_s = time.monotonic() - began_s, used.user + used.system
    said.send(pushed)


def measure(server: LodurServer, *, tails: int, slow: int, apps: int, mb_per_s: float, seconds: float) -> bool:
    """Print the figures; whether the bar is met."""
    context = multiprocessing.get_context("spawn")
    all_tails = [Seen(number % apps, is_slow=number >= tails) for number in range(tails + slow)]
    is_open = context.Event()
    (told, tell), (answers, answer), (seen, see) = (context.Pipe(duplex=False) for _ in range(3))
    reader = context.Process(target=follow, args=(server.port, all_tails, is_open, told, see))
    reader.start()
    if not is_open.wait(READY_S):
        raise click.ClickException("the tails could not be opened")
    before_s = cpu_s(server.process.pid)
    pusher = context.Process(target=push_steadily, args=(server.port, apps, mb_per_s, seconds, answer))
    pusher.start()
    pushed = answers.recv()
    tell.send(pushed.lines_each)
    found, reader_cpu_s = seen.recv()
    server_cpu_s = cpu_s(server.process.pid) - before_s
    reader.join()
    pusher.join()
    print(f"cpu               server {server_cpu_s:.1f} s, readers {reader_cpu_s:.1f} s, pushes {pushed.cpu_s:.1f} s")
    return report(found, pushed, apps)


def report(tails: list[Seen], pushed: Pushed, apps: int) -> bool:
    lines = pushed.lines_each
    delays_s = [
        max(0.0, at_s - pushed.answers_s[tail.app][number // LINES_PER_PUSH])
        for tail in tails
        if not tail.is_slow
        for number, at_s in tail.arrivals
    ]
    print(f"pushed            {lines * apps * LINE_BYTES / pushed.took_s / 1e6:.1f} MB/s, {lines * apps} lines")
    for name, group in (
        ("tails", [tail for tail in tails if not tail.is_slow]),
        ("slow tails", [tail for tail in tails if tail.is_slow]),
    ):
        seen, told = sum(tail.lines for tail in group), sum(tail.told_lines for tail in group)
        with_gaps = sum(tail.lines < lines for tail in group)
        print(
            f"{name:17s} {len(group)}, {with_gaps} with gaps: {seen} lines seen + {told} told of {lines * len(group)}"
        )
    p50, p99 = percentile(delays_s, 0.5), percentile(delays_s, 0.99)
    worst_s = max(delays_s, default=float("inf"))
    print(f"seen after        p50 {p50:.3f} s, p99 {p99:.3f} s, at most {worst_s:.3f} s, of {len(delays_s)} messages")
    wrong = [tail for tail in tails if tail.lines + tail.told_lines != lines or tail.out_of_order]
    for tail in wrong[:5]:
        print(
            f"wrong             app-{tail.app}: {tail.lines} seen, {tail.told_lines} told, {tail.gap_lines} in gaps, "
        )
        print(f"                  {tail.out_of_order} messages out of order, of {lines}")
    print(f"neither seen nor told, or twice: {len(wrong)} tails")
    for failure in sorted(set(pushed.failures))[:3]:
        print(f"push answered     {failure}")
    return not wrong and not pushed.failures and worst_s <= BAR_S


@click.command()
@click.option("--tails", default=200, show_default=True)
@click.option("--slow", default=5, show_default=True, help="Tails more, that read too slowly.")
@click.option("--apps", default=20, show_default=True, help="Streams that the tails divide among them.")
@click.option("--mb-per-s", default=10.0, show_default=True)
@click.option("--seconds", default=20.0, show_default=True)
def main(tails: int, slow: int, apps: int, mb_per_s: float, seconds: float) -> None:
    """Measure live tails on this machine, server and clients together."""
    with TemporaryDirectory() as directory:
        server = LodurServer(Path(directory), config_text=CONFIG)
        server.start()
        try:
            is_met = measure(server, tails=tails, slow=slow, apps=apps, mb_per_s=mb_per_s, seconds=seconds)
        finally:
            server.kill()
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
