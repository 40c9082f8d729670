"""Put mutated queries to the API of a small store. Start at `fuzz`.

A query fails the test by an answer of 500 and above other than those that clients of Loki know as such (series that
cannot be matched, functions that are switched off), by an exception, by a panic, and by more than a second of work.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote_from_bytes

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from lodur.api import loki_query
from lodur.api.tenant import Tenancy
from lodur.model.clock import ManualClock
from lodur.telemetry.query_metrics import QueryMetrics
from tests.differential.layouts import TENANT, make_engines
from tests.fuzz_queries.mutation import Mutator, recorded_queries
from tests.oracles.logql.generate_entries import BASE_NS, SPAN_S, generate_entries

WORK_MAX_S = 1.0
"""Time of the processor that one query may take."""

_SEED_OF_ENTRIES = 7
_BATCH = 32
_REPORTED = 20_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, the endpoint it goes to, and the body that says so."""

    path: str
    query: str
    form: bytes


@dataclass(slots=True)
class Tally:
    """How the queries were answered. Single queries are timed where their batch took long."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_batch_s: float = 0.0
    slowest_s: float = 0.0
    peak_bytes: int = 0


@dataclass
class Failed(Exception):
    """A query that was not dealt with."""

    query: str
    text: str

    def __str__(self) -> str:
        shown = repr(self.query)
        return f"{self.text}\nquery of {len(self.query)} characters: {shown[:2000]}{'...' * (len(shown) > 2000)}"


def fuzz(cases: int, seed: int, progress: Callable[[Tally], None] = lambda _: None) -> Tally:
    """Ask that many queries; raises Failed for the first that is not dealt with."""
    return asyncio.run(_fuzz(cases, seed, progress))


def fuzz_and_report(cases: int, seed: int) -> Tally | str:
    """Do it in a process of its own, telling now and then how far it is; a failure comes back as its text."""
    begun_s = time.monotonic()

    def progress(tally: Tally) -> None:
        if tally.cases % _REPORTED < _BATCH:
            took_s = time.monotonic() - begun_s
            print(f"seed {seed}: {tally.cases} queries, {took_s:.0f} s: {dict(tally.statuses)}", flush=True)

    try:
        return fuzz(cases, seed, progress)
    except Failed as failed:
        return f"seed {seed}: {failed}"


async def _fuzz(cases: int, seed: int, progress: Callable[[Tally], None]) -> Tally:
    random = Random(seed)
    mutator = Mutator(random, recorded_queries())
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="fuzz") as directory:
        # The mixed layout has all kinds of sources.
        engines = make_engines(generate_entries(Random(_SEED_OF_ENTRIES)), Path(directory))
        clock = ManualClock(BASE_NS + SPAN_S * 10**9)
        routes = loki_query.routes(
            engines["mixed"], Tenancy(auth_enabled=True), clock, QueryMetrics(CollectorRegistry()), body_max_bytes=2**20
        )
        application = Starlette(routes=routes)
        while tally.cases < cases:
            drawn = [_draw(mutator, random) for _ in range(min(_BATCH, cases - tally.cases))]
            await _judge_together(application, drawn, tally)
            tally.cases += len(drawn)
            tally.peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            progress(tally)
        for engine in engines.values():
            engine.close()
    return tally


def _draw(mutator: Mutator, random: Random) -> Asked:
    query = mutator.draw()
    return Asked(random.choice(("query_range", "query_range", "query")), query, _form(query, random))


async def _judge_together(application: Starlette, batch: Sequence[Asked], tally: Tally) -> None:
    """All at a time, which costs less; one by one where the batch took too long for one of them."""
    begun_s = time.process_time()
    statuses = await asyncio.gather(*(_judge(application, asked) for asked in batch))
    tally.statuses.update(statuses)
    took_s = time.process_time() - begun_s
    if took_s < WORK_MAX_S:
        tally.slowest_batch_s = max(tally.slowest_batch_s, took_s)
        return
    for asked in batch:
        begun_s = time.process_time()
        status = await _judge(application, asked)
        took_s = time.process_time() - begun_s
        tally.slowest_s = max(tally.slowest_s, took_s)
        if took_s > WORK_MAX_S:
            raise Failed(asked.query, f"{asked.path} took {took_s:.1f} s and answered {status}")


async def _judge(application: Starlette, asked: Asked) -> int:
    """The status of the answer; raises Failed."""
    try:
        status, body = await _post(application, f"/loki/api/v1/{asked.path}", asked.form)
    except BaseException as error:  # a panic of the extension is no Exception
        raise Failed(asked.query, f"{asked.path} raised {error!r}") from error
    if status >= 500:
        raise Failed(asked.query, f"{asked.path} answered {status}: {body[:500]!r}")
    return status


def _form(query: str, random: Random) -> bytes:
    step, direction = random.choice(("1", "7s", "30s", "1m")), random.choice(("forward", "backward"))
    written = quote_from_bytes(query.encode("utf-8", "surrogateescape"))
    end_s = BASE_NS // 10**9 + SPAN_S
    times = f"start={end_s - SPAN_S}&end={end_s}&time={end_s}"
    return f"query={written}&{times}&step={step}&direction={direction}&limit={random.choice((1, 30, 1000))}".encode()


async def _post(application: Starlette, path: str, body: bytes) -> tuple[int, bytes]:
    """The status and body of the answer to a form."""
    parts: list[bytes] = []
    statuses: list[int] = []
    requests = [{"type": "http.request", "body": body, "more_body": False}]
    forever = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not requests:
            await forever.wait()
        return requests.pop()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
        else:
            parts.append(message.get("body", b""))

    headers = {b"content-type": b"application/x-www-form-urlencoded", b"x-scope-orgid": TENANT.value.encode()}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [*headers.items(), (b"content-length", str(len(body)).encode())],
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 3100),
    }
    await application(scope, receive, send)
    return statuses[0], b"".join(parts)
