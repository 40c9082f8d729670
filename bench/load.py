"""Push a corpus to a server over several connections, and measure both sides.

Refused pushes (429, 5xx) are pushed again, as an agent does; every other answer that is no success is a failure.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import percentile
from bench.process_facts import cpu_s, memory
from bench.report import Ingest
from bench.server import BenchServer

PUSH_PATH = "/loki/api/v1/push"
HEADERS = {"Content-Type": "application/x-protobuf"}

PATIENCE_S = 300.0
"""How long one push is tried again while the server says that it is busy; longer than any flush takes."""
RETRY_S = 0.5
"""Before the next attempt where the server does not say when."""
RETRY_MAX_S = 10.0

TEXT_SHOWN_CHARS = 200


@dataclass(slots=True)
class PushLog:
    """What pushers saw; they share it."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    """Of each push, from its first attempt to the answer that ended it."""
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note_status(self, status: int) -> None:
        with self.lock:
            self.statuses[str(status)] += 1

    def note_end(self, wall_s: float, failure: str | None) -> None:
        with self.lock:
            self.seconds.append(wall_s)
            if failure:
                self.failures.append(failure)


def push(connection: http.client.HTTPConnection, body: bytes, log: PushLog) -> None:
    """Push until the server took it or said that it never will."""
    start = time.perf_counter()
    failure: str | None = None
    while time.perf_counter() - start < PATIENCE_S:
        try:
            connection.request("POST", PUSH_PATH, body, HEADERS)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            failure = f"push: {error!r}"
            break
        log.note_status(response.status)
        failure = None if response.status < 300 else f"push: {response.status} {text[:TEXT_SHOWN_CHARS]!r}"
        if response.status != 429 and response.status < 500:
            break
        time.sleep(retry_after_s(response.getheader("Retry-After")))
    log.note_end(time.perf_counter() - start, failure)


def retry_after_s(header: str | None) -> float:
    """How long to wait: what the server says, within bounds."""
    return min(float(header), RETRY_MAX_S) if header and header.isdigit() else RETRY_S


def push_all(server: BenchServer, bodies: Sequence[Path], threads: int) -> PushLog:
    """Push files, each once, over `threads` connections."""
    log = PushLog()
    remaining = iter(bodies)
    workers = [threading.Thread(target=_push_from, args=(server, remaining, log)) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return log


def measure_ingest(
    server: BenchServer, bodies: Sequence[Path], raw_bytes: int, threads: int
) -> tuple[Ingest, list[str]]:
    """Load and flush; the figures and what failed. Raises ServerFailed."""
    cpu_before_s, start = cpu_s(server.pid), time.perf_counter()
    log = push_all(server, bodies, threads)
    loaded = time.perf_counter()
    server.flush()
    flushed = time.perf_counter()
    ingest = Ingest(
        raw_bytes=raw_bytes,
        wall_s=loaded - start,
        flush_wall_s=flushed - loaded,
        cpu_s=cpu_s(server.pid) - cpu_before_s,
        peak_bytes=memory(server.pid).peak_bytes,
        push_p50_s=percentile(log.seconds, 0.5),
        push_p99_s=percentile(log.seconds, 0.99),
        statuses=dict(log.statuses),
    )
    return ingest, log.failures


def _push_from(server: BenchServer, remaining: Iterator[Path], log: PushLog) -> None:
    connection = server.connect()
    while True:
        with log.lock:
            path = next(remaining, None)
        if path is None:
            break
        push(connection, path.read_bytes(), log)
    connection.close()
