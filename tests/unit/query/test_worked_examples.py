"""Queries over five lines whose answers were observed on Loki: what each part of the language does, a line each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import TypeVar

import pytest

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_S
from lodur.model.errors import InvalidRequest
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import StreamsAnswer, VectorAnswer
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.requests import InstantRequest, RangeRequest
from tests.memory_store import MemoryStore

T0_S = 1_700_000_100
TENANT = TenantId("t")
LINES = (
    "level=info dur=10ms size=1KB n=2 path=/a",
    "level=warn dur=1.5s size=2KiB n=4 path=/b",
    '{"level":"error","n":6,"o":{"k":[1,2],"z":"q"},"path":"/a"}',
    "plain text",
    "level=info n=x path=",
)
T = TypeVar("T")


def engine() -> Engine:
    store = MemoryStore()
    store.add_head("t", {"app=w": [((T0_S + 1 + k) * NS_PER_S, line) for k, line in enumerate(LINES)]})
    clock = ManualClock((T0_S + 60) * NS_PER_S)
    return Engine(store, QuerierOptions(threads=1), clock, lambda _: QueryLimits())


def run(work: Awaitable[T]) -> T:
    async def main() -> T:
        return await work

    return asyncio.run(main())


def vector(query: str, at_s: int = 60) -> dict[str, float]:
    answer = run(engine().instant((TENANT,), InstantRequest(query, (T0_S + at_s) * NS_PER_S)))
    assert isinstance(answer, VectorAnswer)
    rows = zip(answer.matrix.labels, answer.matrix.values, strict=True)
    return {str(labels): float(row[0]) for labels, row in rows}


def entries(query: str, start_s: int = 0, end_s: int = 60) -> list[tuple[int, dict[str, str]]]:
    """Numbers of the lines that are found, from 1 on, with their labels but `app`."""
    start_ns, end_ns = ((T0_S + second) * NS_PER_S for second in (start_s, end_s))
    answer = run(engine().range((TENANT,), RangeRequest(query, start_ns, end_ns, NS_PER_S, 100)))
    assert isinstance(answer, StreamsAnswer)
    found = [
        (int(ts) // NS_PER_S - T0_S, {name: value for name, value in one["stream"].items() if name != "app"})
        for one in json.loads(answer.result.streams_json(categorize=False))
        for ts, _ in one["values"]
    ]
    return sorted(found, key=lambda pair: pair[0])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('sum(count_over_time({app="w"}[1m]))', {"{}": 5}),
        ('sum(count_over_time({app="w"}[57s]))', {"{}": 2}),
        ('sum(rate({app="w"}[1m]))', {"{}": 5 / 60}),
        ('sum(bytes_over_time({app="w"}[1m]))', {"{}": 170}),
        ('sum(count_over_time({app="w"}[1m] offset 58s))', {"{}": 2}),
        (
            'sum by (level)(count_over_time({app="w"} | logfmt [1m]))',
            {"{}": 2, '{level="info"}': 2, '{level="warn"}': 1},
        ),
        ('sum by (level)(count_over_time({app="w"} | json | __error__="" [1m]))', {'{level="error"}': 1}),
        ('sum(count_over_time({app="w"} | json [1m]))', {"{}": 5}),
        ('sum(sum_over_time({app="w"} | logfmt | unwrap n | __error__="" [1m]))', {"{}": 6}),
        *(
            (f'{op}({{app="w"}} | logfmt | unwrap n | __error__="" [1m]) by (app)', {'{app="w"}': value})
            for op, value in (
                ("min_over_time", 2),
                ("first_over_time", 2),
                ("last_over_time", 4),
                ("stddev_over_time", 1),
                ("stdvar_over_time", 1),
                ("avg_over_time", 3),
            )
        ),
        ('quantile_over_time(0.5, {app="w"} | logfmt | unwrap n | __error__="" [1m]) by (app)', {'{app="w"}': 3}),
        (
            'max_over_time({app="w"} | logfmt | unwrap duration(dur) | __error__="" [1m]) by (app)',
            {'{app="w"}': 1.5},
        ),
        ('sum(rate({app="w"} | logfmt | unwrap n | __error__="" [1m]))', {"{}": 0.1}),
        ('count(sum by (path)(count_over_time({app="w"} | logfmt [1m])))', {"{}": 3}),
        (
            'sum by (path)(count_over_time({app="w"} | logfmt [1m]))'
            ' / on() group_left() sum(count_over_time({app="w"}[1m]))',
            {"{}": 0.6, '{path="/a"}': 0.2, '{path="/b"}': 0.2},
        ),
        ('absent_over_time({app="w2",x!="y"}[1m])', {'{app="w2"}': 1}),
    ],
)
def test_metrics(query: str, expected: dict[str, float]) -> None:
    assert vector(query) == pytest.approx(expected, rel=1e-12)


def test_windows_are_open_on_the_left() -> None:
    assert vector('sum(count_over_time({app="w"}[1m]))', at_s=61) == {"{}": 4}


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ('sum by (level)(count_over_time({app="w"} | json [1m]))', "JSONParserErr"),
        ('sum(sum_over_time({app="w"} | logfmt | unwrap n [1m]))', "SampleExtractionErr"),
    ],
)
def test_errors_stop_a_metric_query(query: str, error: str) -> None:
    with pytest.raises(InvalidRequest, match=f"pipeline error: '{error}' for series: "):
        vector(query)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ('{app="w"} | logfmt | n > 3', [2, 5]),
        ('{app="w"} | logfmt | dur >= 1s', [2]),
        ('{app="w"} | logfmt | size > 1500B', [2]),
        ('{app="w"} | json k="o.k[1]", o="o" | k!=""', [3]),
        ('{app="w"} | json | level="error"', [3]),
        ('{app="w"} |> "<_> text"', [4]),
        ('{app="w"} | pattern "level=<lvl> <_>" | lvl=~"info|warn"', [1, 2, 5]),
    ],
)
def test_entries(query: str, numbers: list[int]) -> None:
    assert [number for number, _ in entries(query)] == numbers


def test_labels_of_entries() -> None:
    failed = {
        "__error__": "LabelFilterErr",
        "__error_details__": 'strconv.ParseFloat: parsing "x": invalid syntax',
    }
    assert failed.items() <= entries('{app="w"} | logfmt | n > 3')[1][1].items()
    assert entries('{app="w"} | json k="o.k[1]", o="o" | k!=""')[0][1] == {"k": "2", "o": '{"k":[1,2],"z":"q"}'}
    assert entries('{app="w"} | json | level="error"')[0][1] == {"level": "error", "n": "6", "o_z": "q", "path": "/a"}
    kept = '{app="w"} | logfmt --keep-empty | level="info" | keep path'
    assert entries(kept) == [(1, {"path": "/a"}), (5, {"path": ""})]


def test_spans_of_entries_are_half_open() -> None:
    assert [number for number, _ in entries('{app="w"}', start_s=1, end_s=3)] == [1, 2]
