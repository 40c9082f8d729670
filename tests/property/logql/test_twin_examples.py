"""The twin itself says what the reference was seen to answer (the worked examples of the language's description)."""

from __future__ import annotations

import pytest

from lodur.logql.parser import parse_query
from lodur.logql.tree import LogQuery, Variants
from tests.oracles.logql.row import Entry
from tests.oracles.logql.twin import LogqlTwin
from tests.oracles.logql.windows import PipelineError

S = 10**9
T0_NS = 1_730_000_000 * S
NOW_NS = T0_NS + 60 * S
LINES = (
    "level=info dur=10ms size=1KB n=2 path=/a",
    "level=warn dur=1.5s size=2KiB n=4 path=/b",
    '{"level":"error","n":6,"o":{"k":[1,2],"z":"q"},"path":"/a"}',
    "plain text",
    "level=info n=x path=",
)
TWIN = LogqlTwin(Entry((("app", "w"),), T0_NS + number * S, line) for number, line in enumerate(LINES, 1))
CLEAN = '{app="w"} | logfmt | unwrap n | __error__=""'


def instant(text: str, at_ns: int = NOW_NS) -> dict[str, float]:
    query = parse_query(text)
    assert not isinstance(query, LogQuery | Variants)
    (vector,) = TWIN.metric(query, [at_ns])
    return {",".join(f"{name}={value}" for name, value in labels): sample for labels, sample in vector}


def lines(text: str, start_ns: int = T0_NS, end_ns: int = NOW_NS) -> dict[int, dict[str, str]]:
    """The labels of the lines that an answer shows, by the lines' numbers."""
    query = parse_query(text)
    assert isinstance(query, LogQuery)
    return {one.ts_ns // S - T0_NS // S: dict(one.labels) for one in TWIN.logs(query, start_ns, end_ns)}


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ('sum(count_over_time({app="w"}[1m]))', {"": 5}),
        ('sum(count_over_time({app="w"}[57s]))', {"": 2}),
        ('sum(rate({app="w"}[1m]))', {"": 5 / 60}),
        ('sum(bytes_over_time({app="w"}[1m]))', {"": 170}),
        ('sum(count_over_time({app="w"}[1m] offset 58s))', {"": 2}),
        ('sum by (level)(count_over_time({app="w"} | logfmt [1m]))', {"": 2, "level=info": 2, "level=warn": 1}),
        ('sum by (level)(count_over_time({app="w"} | json | __error__="" [1m]))', {"level=error": 1}),
        ('sum(count_over_time({app="w"} | json [1m]))', {"": 5}),
        (f"sum(sum_over_time({CLEAN} [1m]))", {"": 6}),
        (f"min_over_time({CLEAN} [1m]) by (app)", {"app=w": 2}),
        (f"first_over_time({CLEAN} [1m]) by (app)", {"app=w": 2}),
        (f"last_over_time({CLEAN} [1m]) by (app)", {"app=w": 4}),
        (f"stddev_over_time({CLEAN} [1m]) by (app)", {"app=w": 1}),
        (f"stdvar_over_time({CLEAN} [1m]) by (app)", {"app=w": 1}),
        (f"quantile_over_time(0.5, {CLEAN} [1m]) by (app)", {"app=w": 3}),
        (f"avg_over_time({CLEAN} [1m]) by (app)", {"app=w": 3}),
        ('max_over_time({app="w"} | logfmt | unwrap duration(dur) | __error__="" [1m]) by (app)', {"app=w": 1.5}),
        (f"sum(rate({CLEAN} [1m]))", {"": 0.1}),
        ('count(sum by (path)(count_over_time({app="w"} | logfmt [1m])))', {"": 3}),
        (
            'sum by (path)(count_over_time({app="w"} | logfmt [1m]))'
            ' / on() group_left() sum(count_over_time({app="w"}[1m]))',
            {"": 0.6, "path=/a": 0.2, "path=/b": 0.2},
        ),
        ('absent_over_time({app="w2",x!="y"}[1m])', {"app=w2": 1}),
    ],
)
def test_metrics(query: str, values: dict[str, float]) -> None:
    assert instant(query) == pytest.approx(values)


def test_windows_are_open_on_the_left() -> None:
    assert instant('sum(count_over_time({app="w"}[1m]))', NOW_NS + S) == {"": 4}


@pytest.mark.parametrize(
    "query",
    [
        'sum by (level)(count_over_time({app="w"} | json [1m]))',
        'sum(sum_over_time({app="w"} | logfmt | unwrap n [1m]))',
    ],
)
def test_errors_of_metrics(query: str) -> None:
    with pytest.raises(PipelineError):
        instant(query)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ('{app="w"} | logfmt | dur >= 1s', {2}),
        ('{app="w"} | logfmt | size > 1500B', {2}),
        ('{app="w"} |> "<_> text"', {4}),
        ('{app="w"} | pattern "level=<lvl> <_>" | lvl=~"info|warn"', {1, 2, 5}),
        ('{app="w"} | json | level="error"', {3}),
        ('{app="w"} | logfmt | n > 3', {2, 5}),
    ],
)
def test_lines(query: str, numbers: set[int]) -> None:
    assert set(lines(query)) == numbers


def test_labels_of_lines() -> None:
    assert lines('{app="w"} | logfmt | n > 3')[5] == {
        "app": "w",
        "level": "info",
        "n": "x",
        "__error__": "LabelFilterErr",
        "__error_details__": 'strconv.ParseFloat: parsing "x": invalid syntax',
    }
    assert lines('{app="w"} | json k="o.k[1]", o="o" | k!=""') == {
        3: {"app": "w", "k": "2", "o": '{"k":[1,2],"z":"q"}'}
    }
    assert lines('{app="w"} | json | level="error"')[3] == {
        "app": "w", "level": "error", "n": "6", "o_z": "q", "path": "/a",
    }  # fmt: skip
    kept = lines('{app="w"} | logfmt --keep-empty | level="info" | keep path')
    assert kept == {1: {"path": "/a"}, 5: {"path": ""}}


def test_spans_of_logs_are_half_open() -> None:
    assert set(lines('{app="w"}', T0_NS + S, T0_NS + 3 * S)) == {1, 2}
