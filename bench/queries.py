"""Time queries against a server."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from bench.corpus import Meta
from bench.process_facts import cpu_s
from bench.report import Place, QueryFigure
from bench.server import BenchServer
from bench.suite import LIMIT, METRIC_STEP, Case


class _Series(msgspec.Struct):
    values: list[msgspec.Raw]


class _Data(msgspec.Struct):
    result: list[_Series]


class _Body(msgspec.Struct):
    data: _Data


def target_of(case: Case, start_ns: int, end_ns: int) -> str:
    """Path and query of the request."""
    parameters = {"query": case.query, "start": start_ns, "end": end_ns, "limit": LIMIT, "direction": "backward"}
    step = {"step": METRIC_STEP} if case.is_metric else {}
    return "/loki/api/v1/query_range?" + urlencode({**parameters, **step})


def rows_of(body: bytes) -> int:
    """Entries or points of an answer. Raises msgspec.DecodeError."""
    return sum(len(series.values) for series in msgspec.json.decode(body, type=_Body).data.result)


def measure_queries(
    server: BenchServer, cases: Sequence[Case], place: Place, meta: Meta, *, raw_bytes: int, repeat: int
) -> tuple[list[QueryFigure], list[str]]:
    """Ask each case `repeat` times; the figures and what failed. Raises ServerFailed."""
    figures: list[QueryFigure] = []
    failures: list[str] = []
    for case in cases:
        target = target_of(case, meta.start_ns, meta.end_ns + 1)
        walls_s: list[float] = []
        cpus_s: list[float] = []
        for _ in range(repeat):
            before_s = cpu_s(server.pid)
            answer = server.ask("GET", target)
            cpus_s.append(cpu_s(server.pid) - before_s)
            walls_s.append(answer.wall_s)
        if answer.status != 200:
            failures.append(f"{case.name} from {place}: {answer.status} {answer.body[:200]!r}")
            continue
        figure = QueryFigure(
            name=case.name,
            place=place,
            raw_bytes=raw_bytes,
            best_s=min(walls_s),
            median_s=statistics.median(walls_s),
            cpu_s=statistics.median(cpus_s),
            rows=rows_of(answer.body),
            answer_bytes=len(answer.body),
        )
        figures.append(figure)
    return figures, failures
