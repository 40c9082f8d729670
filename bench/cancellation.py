"""`python -m bench.cancellation`: how long the server goes on working for a client that left.

Queries of very large answers (10,000 series of 1,500 samples) and questions about streams are asked, and the
connection is closed after a while, at moments spread over the whole work: scan, evaluation, and making of the answer.
What is measured is the time from the close until the server's CPU clock stands still. The exit status is 1 when one of
them went on for longer than the bar.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import click

from bench.process_facts import cpu_s
from bench.server import BenchServer

BAR_S = 0.1
APPS = 100
STEPS = 1_500
STEP_S = 40
STREAMS_PER_PUSH = 2_000

POLL_S = 0.01
BUSY_SHARE = 0.25
"""Of the time between two looks: less is what the server's own rounds take."""
IDLE_S = 0.3
"""The server has stopped once it was not busy for so long."""
WORK_S_MAX = 60.0

QUERIES = (
    'count_over_time({app=~".+"}[1d])',
    'count_over_time({app=~".+"}[1d]) * 2',
    'topk by (app) (2, count_over_time({app=~".+"}[1d]))',
    'sort_desc(count_over_time({app=~".+"}[1d]))',
    'sum by (app) (count_over_time({app=~".+"}[1d]))',
    'quantile_over_time(0.9, {app=~".+"} | logfmt | unwrap n [1d]) by (app, pod)',
    'count_over_time({app=~".+"}[1d]) / on (app, pod) count_over_time({app=~".+"}[1d])',
    'label_replace(count_over_time({app=~".+"}[1d]), "x", "$1", "pod", "(.*)")',
    'count_over_time({app=~".+"}[1d]) > 1 or count_over_time({app=~".+"}[2d])',
)

SELECTORS = 300
"""Of one question about streams, each of which looks at all of them."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and how."""

    name: str
    path: str
    form: tuple[tuple[str, str], ...]
    """Sent in the body."""


def questions(now_s: int) -> list[Question]:
    start_s = now_s - STEPS * STEP_S
    span = (("start", str(start_s)), ("end", str(now_s)))
    ranges = [
        Question(query, "/loki/api/v1/query_range", (("query", query), *span, ("step", str(STEP_S))))
        for query in QUERIES
    ]
    day = (("start", str(now_s - 86_400)), ("end", str(now_s)))
    selectors = tuple(("match[]", f'{{app=~".+", pod!="none-{number}"}}') for number in range(SELECTORS))
    series = Question(f"series of {SELECTORS} selectors", "/loki/api/v1/series", (*selectors, *day))
    volume = (("query", '{app=~".+"}'), ("limit", "5000"), ("step", "30"), ("targetLabels", "pod"), *day)
    return [*ranges, series, Question("volume_range by pod", "/loki/api/v1/index/volume_range", volume)]


@click.command()
@click.option("--series", default=10_000, show_default=True, help="series of each answer")
@click.option("--leave", "leaves", default=12, show_default=True, help="moments to leave at, for each query")
def main(series: int, leaves: int) -> None:
    """Leave large queries at many moments, and see when the server stops working on them."""
    now_s = time.time_ns() // 10**9
    worst_s = 0.0
    with TemporaryDirectory() as directory, BenchServer(Path(directory)) as server:
        _push(server, series, now_s)
        for question in questions(now_s):
            whole_s = _work_s(server, question, leave_s=None)
            late = [_work_s(server, question, leave_s=whole_s * (n + 1) / (leaves + 1)) for n in range(leaves)]
            worst_s = max(worst_s, *late)
            print(f"{max(late) * 1e3:7.0f} ms worst of {leaves}, whole {whole_s:6.2f} s   {question.name}", flush=True)
    print(f"worst {worst_s * 1e3:.0f} ms, bar {BAR_S * 1e3:.0f} ms")
    sys.exit(worst_s > BAR_S)


def _push(server: BenchServer, series: int, now_s: int) -> None:
    for first in range(0, series, STREAMS_PER_PUSH):
        streams = [
            {
                "stream": {"app": f"app-{number % APPS}", "pod": f"pod-{number}"},
                "values": [[str((now_s - age_s) * 10**9), f"n={number} age={age_s}"] for age_s in (30_000, 70_000)],
            }
            for number in range(first, min(first + STREAMS_PER_PUSH, series))
        ]
        connection = server.connect()
        body = json.dumps({"streams": streams})
        connection.request("POST", "/loki/api/v1/push", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 204:
            raise click.ClickException(f"a push answered {answer.status}: {answer.read(500)!r}")
        connection.close()


def _work_s(server: BenchServer, question: Question, *, leave_s: float | None) -> float:
    """Seconds from the client's leaving until the server is idle; of a client that stays, those until the answer."""
    connection = server.connect()
    began_s = time.monotonic()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", question.path, urlencode(question.form), form)
    if leave_s is None:
        answer = connection.getresponse()
        if answer.status != 200:
            raise click.ClickException(f"{question.name} answered {answer.status}: {answer.read(500)!r}")
        while answer.read(1 << 20):
            pass
        connection.close()
        return time.monotonic() - began_s
    sending = _read_until(connection, began_s + leave_s)
    del sending
    left_s = time.monotonic()
    connection.close()
    return _idle_since_s(server.pid) - left_s


def _read_until(connection: http.client.HTTPConnection, end_s: float) -> http.client.HTTPResponse | None:
    """Take what comes of the answer until then, as a client would."""
    if connection.sock is None:
        return None
    connection.sock.settimeout(max(0.001, end_s - time.monotonic()))
    try:
        answer = connection.getresponse()
        while time.monotonic() < end_s and answer.read(1 << 16):
            pass
    except TimeoutError:
        return None
    return answer


def _idle_since_s(pid: int) -> float:
    """The moment since which the process has done nothing."""
    limit_s = time.monotonic() + WORK_S_MAX
    since_s, seen_s = time.monotonic(), cpu_s(pid)
    busy_s = since_s
    while time.monotonic() < limit_s:
        time.sleep(POLL_S)
        used_s = cpu_s(pid)
        if used_s - seen_s > BUSY_SHARE * POLL_S:
            busy_s = time.monotonic()
        seen_s = used_s
        if time.monotonic() - busy_s > IDLE_S:
            return busy_s
    return busy_s


if __name__ == "__main__":
    main()
