"""Rules save work and change no answer: random queries over random rows, with and without them.

Some rules change which pipeline errors a query meets, as Loki's do: what a sum does not need is not parsed. They are
kept where errors are compared.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lodur.kernels.segment import Segment
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_MINUTE, NS_PER_S
from lodur.model.errors import InvalidRequest
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import MatrixAnswer, StreamsAnswer
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.plan.planner import RULE_NAMES
from lodur.query.requests import RangeRequest
from tests.memory_store import DAY_NS, MemoryStore, segment_file

START_NS = 19_700 * DAY_NS
TENANT = TenantId("t")
OPTIONS = QuerierOptions(threads=1)
LIMITS = QueryLimits(series_max=0)

PUSHES = frozenset({"push_sum", "push_partial_sum", "push_extreme"})

Row = tuple[str, int, str, dict[str, str]]
"""Stream, seconds, line, structured metadata."""

WORDS = ("error", "info", "timeout", "Error", "a/b", 'q"t', "500", "")


def json_text(word: str, way: int) -> str:
    """A word in JSON, written in one of several ways."""
    if way == 0:
        return "".join(f"\\u{ord(c):04x}" for c in word[:1]) + word[1:].replace('"', '\\"')
    if way == 1:
        return word.replace('"', '\\"').replace("/", "\\/")
    return word.replace('"', '\\"')


words = st.sampled_from(WORDS)
json_lines = st.builds(
    lambda key, word, way, status: (
        f'{{"{key}":"{json_text(word, way)}","status":{status},"o":{{"level":"{word[:1]}"}}}}'
    ),
    st.sampled_from(("level", "app", "msg", "level_extracted")),
    words,
    st.integers(0, 3),
    st.sampled_from((200, 500)),
)
logfmt_lines = st.builds(
    lambda key, word, way, took: f'{key}="{json_text(word, way)}" took={took} pod=p{took}',
    st.sampled_from(("level", "app", "msg")),
    words,
    st.integers(0, 3),
    st.integers(0, 3),
)
plain_lines = st.builds(lambda word, rest: f"{word} {rest}", words, words)
packed_lines = st.builds(
    lambda word: f'{{"_entry":"level={json_text(word, 2)}","level":"{json_text(word, 2)}"}}', words
)
coloured_lines = words.map(lambda word: f"level={word[:2]}\x1b[0m{word[2:]}")
lines = json_lines | logfmt_lines | plain_lines | packed_lines | coloured_lines | st.just('{"level":"error"')
no_metadata: st.SearchStrategy[dict[str, str]] = st.just({})
metadata = no_metadata | st.dictionaries(st.sampled_from(("level", "trace", "app")), words.filter(bool), max_size=2)
streams = st.sampled_from(("app=a", "app=b,level=error", "app=b,level=info", "app=a,pod=p1"))
rows = st.lists(st.tuples(streams, st.integers(0, 119), lines, metadata), max_size=12)

line_filters = st.builds(
    lambda op, word, more: f"{op} {quoted(word)}" + (f" or {quoted(more)}" if more else ""),
    st.sampled_from(("|=", "!=", "|~", "!~")),
    st.sampled_from(("error", "err", "", "o", "500", ".*", "level")),
    st.sampled_from(("", "", "info")),
)
string_tests = st.builds(
    lambda name, op, word: f"{name}{op}{quoted(word)}",
    st.sampled_from(("level", "app", "msg", "pod", "status", "o_level", "level_extracted", "app_extracted", "trace")),
    st.sampled_from(("=", "=", "!=")),
    st.sampled_from((*WORDS, "a", "b", "p1")),
) | st.builds(
    lambda name, op, expression: f"{name}{op}{quoted(expression)}",
    st.sampled_from(("level", "app", "msg")),
    st.sampled_from(("=~", "!~")),
    st.sampled_from(("error|info", "err.*", ".*or", "a", "(?i)error", "", "q.t")),
)
label_tests = string_tests | st.sampled_from(("status>=300", "took>1", '__error__=""', '__error__!="JSONParserErr"'))
label_filters = st.builds(
    lambda first, joint, second: f"| {first}{joint}{second}" if joint else f"| {first}",
    label_tests,
    st.sampled_from(("", "", " or ", " and ")),
    label_tests,
)
parsers = st.sampled_from(
    (
        "| json",
        "| json",
        "| logfmt",
        "| logfmt --strict",
        '| json level="o.level", msg="level"',
        '| logfmt level="msg"',
        '| pattern "<msg> <level>"',
        '| regexp "(?P<level>err[a-z]*)"',
    )
)
others = st.sampled_from(
    (
        "| unpack",
        "| decolorize",
        "| drop level",
        "| drop __error__, __error_details__",
        "| keep level",
        '| drop app="a"',
    )
)
stages = st.lists(line_filters | label_filters | label_filters | parsers | parsers | others, max_size=5).map(" ".join)
selectors = st.sampled_from(('{app=~".+"}', '{app="a"}', '{app="b", level!="info"}'))


def quoted(text: str) -> str:
    return orjson.dumps(text).decode()


@st.composite
def metrics(draw: st.DrawFn) -> str:
    """One aggregation, or two over the same rows joined."""
    inner = f"{draw(selectors)} {draw(stages)}"
    first = draw(aggregations(inner))
    if draw(st.booleans()):
        return first
    op = draw(st.sampled_from(("/", "+", "and", "or", "unless", "> bool")))
    matching = "" if op in ("and", "or", "unless") else draw(st.sampled_from(("", " on () group_left ()")))
    return f"{first} {op}{matching} {draw(aggregations(inner))}"


@st.composite
def aggregations(draw: st.DrawFn, inner: str) -> str:
    outer = draw(
        st.sampled_from(("", "sum", "sum by (level)", "sum by (level, app)", "sum without (pod)", "max", "count"))
    )
    function = draw(st.sampled_from(("count_over_time", "rate", "bytes_over_time", "bytes_rate", "sum_over_time")))
    if function == "sum_over_time":
        inner = f'{inner} | unwrap {draw(st.sampled_from(("status", "took")))} | __error__=""'
    scaled = draw(st.sampled_from(("", "", " * 1", " / 1", " * 60")))
    return f"{outer}({function}({inner} [1m])){scaled}" if outer else f"{function}({inner} [1m]){scaled}"


def store_of(head: Sequence[Row], flushed: Sequence[Row], directory: Path) -> MemoryStore:
    store = MemoryStore()
    if flushed:
        path = segment_file(directory / "segment.parquet", by_stream(flushed))
        store.by_tenant[TENANT] = [Segment.open_file(path)]
    if head:
        store.add_head(TENANT.value, by_stream(head))
    return store


def by_stream(rows: Sequence[Row]) -> dict[str, list[tuple[int, str, dict[str, str]]]]:
    found: dict[str, list[tuple[int, str, dict[str, str]]]] = {}
    for number, (stream, at_s, line, pairs) in enumerate(rows):
        found.setdefault(stream, []).append((START_NS + at_s * NS_PER_S + number, line, pairs))
    return found


def answer(store: MemoryStore, query: str, without: frozenset[str]) -> object:
    """What a query gives; `error` for a pipeline error, which may name any of the rows."""
    engine = Engine(store, replace(OPTIONS, rules_left_out=without), ManualClock(START_NS + DAY_NS), lambda _: LIMITS)
    request = RangeRequest(query, START_NS, START_NS + 2 * NS_PER_MINUTE, NS_PER_MINUTE // 2, 1000)
    try:
        found = asyncio.run(engine.range((TENANT,), request))
    except InvalidRequest as error:
        return "error" if str(error).startswith("pipeline error") else str(error)
    finally:
        engine.close()
    if isinstance(found, StreamsAnswer):
        return orjson.loads(found.result.streams_json(categorize=True))
    assert isinstance(found, MatrixAnswer)
    values = np.where(found.matrix.present, np.round(found.matrix.values, 9), -1)
    return [(str(labels), repr(row)) for labels, row in zip(found.matrix.labels, values.tolist(), strict=True)]


checked = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])


@checked
@given(
    head=rows,
    flushed=rows,
    query=st.builds(lambda selector, pipeline: f"{selector} {pipeline}", selectors, stages) | metrics(),
)
@example(
    [],
    [("app=a", 0, '{"level":"\\u0065rror"}', {}), ("app=a", 1, '{"level":"error"}', {}), ("app=a", 2, "x", {})],
    '{app="a"} | json | level="error"',
)
@example([], [("app=a", 0, "{}", {"level": "error"})], '{app="a"} | json | level="error"')
@example([("app=a", 0, "{}", {})], [], '{app="a"} != ""')
def test_rules_change_no_answer(head: list[Row], flushed: list[Row], query: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = store_of(head, flushed, Path(directory))
        optimised = answer(store, query, frozenset())
        assert optimised == answer(store, query, RULE_NAMES - PUSHES)
        plain = answer(store, query, RULE_NAMES)
        if plain != "error":
            assert optimised == plain


@pytest.mark.parametrize("rule", sorted(RULE_NAMES - PUSHES))
def test_each_rule_can_be_left_out(rule: str) -> None:
    rows: list[Row] = [("app=a", 1, '{"level":"error"}', {}), ("app=a", 2, '{"level":"info"}', {})]
    query = 'rate({app="a"} |= "" |= "l" | json | level="error" [1m]) / count_over_time({app="a"} [1m])'
    with tempfile.TemporaryDirectory() as directory:
        store = store_of(rows, [], Path(directory))
        assert answer(store, query, frozenset({rule})) == answer(store, query, frozenset())
