"""Many pushers and queriers at once: does anything fail, how long do pushes take, does memory stay bounded.

The bodies of the corpus are pushed again and again, as `bodies` makes them: for a rate, all of them before. Each pusher
waits between its pushes for a time that is drawn around the mean that the rate asks for, as if it knew nothing of the
others. Answers are read and not looked into. Start at `run`.
"""

from __future__ import annotations

import http.client
import math
import os
import random
import re
import threading
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.awake import awake
from bench.bodies import BodyMaker
from bench.corpus import SEED, Corpus
from bench.figures import MB, mb_per_s, percentile
from bench.load import TEXT_SHOWN_CHARS, PushLog, push
from bench.process_facts import memory, stolen_s
from bench.queries import target_of
from bench.server import BenchServer
from bench.suite import Case, suite

SPREAD = 0.5
"""A pause is drawn from so much of its mean below to so much above."""

SERVED = re.compile(r'loki_request_duration_seconds_bucket\{(?=.*loki_api_v1_push").*le="([^"]+)".*\} (\S+)')
"""How many pushes the server answered within a time, by its own clock, which begins before the body is read."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is put on the server."""

    seconds: float
    pushers: int
    queriers: int
    mb_per_s: float
    """Of raw lines, all pushers together; 0: as fast as they can."""
    body_bytes: int = 0
    """Of raw lines in each push; 0: as the corpus has them, about a million."""
    may_sleep: bool = False
    """The processors, when nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. Sizes are of the server's resident memory."""

    load: Load
    wall_s: float
    raw_bytes: int
    push_s: tuple[float, ...]
    served_within: tuple[tuple[float, float], ...]
    """Seconds, and the part of all pushes that the server answered within them."""
    push_statuses: dict[str, int]
    query_s: tuple[float, ...]
    start_bytes: int
    halfway_peak_bytes: int
    end_bytes: int
    peak_bytes: int
    is_awake: bool
    """The processors were kept from sleeping."""
    stolen_share: float
    """Of the processors' time, what the machine's host gave to others: pushes meanwhile take as much longer."""
    failures: tuple[str, ...]


@dataclass(slots=True)
class QueryLog:
    """What queriers saw; they share it."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def run(corpus: Corpus, directory: Path, load: Load) -> Outcome:
    """Put the load on a new server. Raises ServerFailed."""
    maker = BodyMaker(corpus, raw_bytes=load.body_bytes, made_before_bytes=load.seconds * load.mb_per_s * MB)
    interval_s = load.pushers * maker.body_bytes / (load.mb_per_s * MB) if load.mb_per_s else 0.0
    pushes, queries = PushLog(), QueryLog()
    keeping = nullcontext(False) if load.may_sleep else awake()
    with maker, BenchServer(directory) as server, keeping as is_awake:
        start_bytes = memory(server.pid).now_bytes
        stolen_before_s = stolen_s()
        start = time.monotonic()
        end = start + load.seconds
        threads = [
            threading.Thread(
                target=_push_until, args=(server, end, interval_s, maker, pushes, random.Random(-SEED - number))
            )
            for number in range(load.pushers)
        ]
        threads += [
            threading.Thread(target=_query_until, args=(server, end, corpus, random.Random(SEED + number), queries))
            for number in range(load.queriers)
        ]
        for thread in threads:
            thread.start()
        _sleep_until(start + load.seconds / 2)
        halfway_peak_bytes = memory(server.pid).peak_bytes
        for thread in threads:
            thread.join()
        wall_s = time.monotonic() - start
        stolen_share = (stolen_s() - stolen_before_s) / wall_s / (os.cpu_count() or 1)
        held = memory(server.pid)
        served = served_within(server.ask("GET", "/metrics").body.decode())
    return Outcome(
        load=load,
        wall_s=wall_s,
        raw_bytes=int(len(pushes.seconds) * maker.body_bytes),
        push_s=tuple(pushes.seconds),
        served_within=served,
        push_statuses=dict(pushes.statuses),
        query_s=tuple(queries.seconds),
        start_bytes=start_bytes,
        halfway_peak_bytes=halfway_peak_bytes,
        end_bytes=held.now_bytes,
        peak_bytes=held.peak_bytes,
        is_awake=is_awake,
        stolen_share=stolen_share,
        failures=(*pushes.failures, *queries.failures),
    )


def print_outcome(outcome: Outcome, console: Console) -> None:
    load = outcome.load
    title = f"{load.pushers} pushers and {load.queriers} queriers, {outcome.wall_s:.0f} s"
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    table.add_row("pushed", f"{outcome.raw_bytes / MB:.0f} MB, {mb_per_s(outcome.raw_bytes, outcome.wall_s):.1f} MB/s")
    statuses = " ".join(f"{status}: {count}" for status, count in sorted(outcome.push_statuses.items()))
    table.add_row("answers to pushes by status", statuses)
    table.add_row("pushes: median, 99th percentile, longest", _spread(outcome.push_s))
    served = " ".join(f"{seconds * 1e3:g} ms: {part:.2%}" for seconds, part in outcome.served_within)
    table.add_row("pushes answered within, by the server's clock", served)
    table.add_row("queries", str(len(outcome.query_s)))
    table.add_row("queries: median, 99th percentile, longest", _spread(outcome.query_s))
    table.add_row("processors may sleep", "no" if outcome.is_awake else "yes")
    table.add_row("processor time taken by the machine's host", f"{outcome.stolen_share:.1%}")
    table.add_row("memory at the start", f"{outcome.start_bytes / MB:.0f} MB")
    table.add_row("peak memory of the first half", f"{outcome.halfway_peak_bytes / MB:.0f} MB")
    table.add_row("peak memory", f"{outcome.peak_bytes / MB:.0f} MB")
    table.add_row("memory at the end", f"{outcome.end_bytes / MB:.0f} MB")
    table.add_row("errors", str(len(outcome.failures)))
    console.print(table)
    for failure, count in Counter(outcome.failures).most_common(10):
        console.print(f"{count} x {failure}", style="red", markup=False, highlight=False)


def _spread(seconds: tuple[float, ...]) -> str:
    return " ".join(f"{percentile(seconds, share) * 1e3:.0f} ms" for share in (0.5, 0.99, 1.0))


def _push_until(
    server: BenchServer, end: float, interval_s: float, maker: BodyMaker, log: PushLog, chance: random.Random
) -> None:
    connection = server.connect()
    due = time.monotonic() + chance.uniform(0, interval_s)
    while True:
        body = maker.take()
        _sleep_until(min(due, end))
        if time.monotonic() >= end:
            break
        push(connection, body, log)
        pause_s = interval_s * chance.uniform(1 - SPREAD, 1 + SPREAD)
        due = max(due + pause_s, time.monotonic() - interval_s)
    connection.close()


def served_within(metrics: str) -> tuple[tuple[float, float], ...]:
    """From the server's histogram, up to the first time within which all were answered."""
    counts: Counter[float] = Counter()
    for within, count in SERVED.findall(metrics):
        counts[float(within)] += int(float(count))
    total = counts[math.inf]
    shown: list[tuple[float, float]] = []
    for within_s in sorted(counts) if total else []:
        shown.append((within_s, counts[within_s] / total))
        if counts[within_s] == total:
            break
    return tuple(shown)


def _query_until(server: BenchServer, end: float, corpus: Corpus, chance: random.Random, log: QueryLog) -> None:
    cases = suite(corpus.meta)
    connection = server.connect()
    while time.monotonic() < end:
        failure = _ask(connection, chance.choice(cases), corpus, log)
        if failure:
            with log.lock:
                log.failures.append(failure)
    connection.close()


def _ask(connection: http.client.HTTPConnection, case: Case, corpus: Corpus, log: QueryLog) -> str | None:
    """What failed."""
    start = time.perf_counter()
    try:
        connection.request("GET", target_of(case, corpus.meta.start_ns, corpus.meta.end_ns + 1))
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return f"{case.name}: {error!r}"
    with log.lock:
        log.seconds.append(time.perf_counter() - start)
    return None if response.status == 200 else f"{case.name}: {response.status} {text[:TEXT_SHOWN_CHARS]!r}"


def _sleep_until(moment: float) -> None:
    remaining_s = moment - time.monotonic()
    if remaining_s > 0:
        time.sleep(remaining_s)
