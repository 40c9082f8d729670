"""A real server answers as its twin in memory does, whatever was pushed, repeated and flushed in whatever order."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, assert_never
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from lodur.model.go_strings import quote
from tests.property.log_twin import NS_PER_S, Chosen, Labels, LabelTest, LineTest, LogTwin, Row, Series, labels_of
from tests.push_bodies import json_push
from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.servers.raw_http import Answer, ask

EXAMPLES = int(os.environ.get("LODUR_TWIN_EXAMPLES", "40"))
"""Stores that are filled and asked; a soak takes thousands."""

PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
"""Explaining a failure would ask the server for minutes more."""

CONFIG = """
auth_enabled: true
limits_config:
  reject_old_samples: false
  discover_service_name: []
  discover_log_levels: false
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
  max_entries_limit_per_query: 100000
compactor:
  compaction_interval: 30ms
lodur:
  compactor:
    reader_grace: 100ms
    settled_after: 0s
    cold_after: 0s
    cold_zstd_level: 5
"""
"""Yesterday's segments are merged and compressed for good as soon as they are there."""

FLUSHES_REMEMBERED = 2
"""A row that comes again after more flushes than this is stored again, and counted again."""

DAY_S = 86_400
MIDNIGHT_S = time.time_ns() // NS_PER_S // DAY_S * DAY_S
"""Rows lie around the last midnight, so that flushes make segments of two days."""

FIRST_S, LAST_S = MIDNIGHT_S - 60, MIDNIGHT_S + 60

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

ALWAYS = ("twin", "yes")
"""A label of every stream, by which a selector can choose all."""

_texts = st.text(st.characters(codec="utf-8"), max_size=8)
_values = st.sampled_from(["a", "b", "ab", "x y", 'q"\\', "é", "0"]) | _texts.filter(bool)
_words = st.sampled_from(["error", "warn", "GET /", "id=17", "straße", "日本", "\t", "{}", "x"])
_lines = st.lists(_words | _texts, max_size=6).map(" ".join) | st.integers(1, 20_000).map(lambda n: "long " * (n // 5))
_label_sets = st.dictionaries(st.sampled_from(["app", "env", "pod"]), _values, max_size=3).map(
    lambda pairs: labels_of(pairs | dict([ALWAYS]))
)
_metadata = st.dictionaries(st.sampled_from(["trace", "user"]), _values, max_size=2).map(labels_of)
_times_ns = st.one_of(
    st.integers(FIRST_S, LAST_S).map(lambda time_s: time_s * NS_PER_S),
    st.integers(FIRST_S * NS_PER_S, LAST_S * NS_PER_S),
    st.sampled_from([MIDNIGHT_S * NS_PER_S + at_ns for at_ns in (-1, 0, 1)]),
)
_no_metadata = st.just(labels_of({}))


@dataclass(frozen=True, slots=True)
class Push:
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Flush:
    """Head to segments."""


@dataclass(frozen=True, slots=True)
class Compact:
    """Segments to fewer segments."""


Step = Push | Flush | Compact


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Pushes of new rows and of some that were pushed before, with flushes between."""
    label_sets = draw(st.lists(_label_sets, min_size=1, max_size=4, unique=True))
    rows = st.builds(Row, st.sampled_from(label_sets), _times_ns, _lines, _no_metadata | _metadata)
    # By the flush that made them segments; the last is of those that are still in memory.
    pushed: list[list[Row]] = [[]]
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 5))):
        fresh = draw(st.lists(rows, min_size=1, max_size=12))
        known = [row for generation in pushed[-1 - FLUSHES_REMEMBERED :] for row in generation]
        again = draw(st.lists(st.sampled_from(known), max_size=6)) if known else []
        step = Push(tuple(draw(st.permutations(fresh + again))))
        forgotten = {row for generation in pushed[: -1 - FLUSHES_REMEMBERED] for row in generation}
        assume(forgotten.isdisjoint(fresh))
        pushed[-1] += fresh
        steps.append(step)
        if draw(st.booleans()):
            steps.append(Flush())
            pushed.append([])
            if draw(st.booleans()):
                # The very same body again, as after an answer that was lost.
                steps.append(step)
            if draw(st.booleans()):
                steps.append(Compact())
    return steps


_patterns = st.sampled_from(["a|b", ".*", ".+", "[a-c]+", "", "x.y", "(?i)ERROR", "[0-9]+", "e.*r", "^$", "ß|本"])


@st.composite
def choices(draw: st.DrawFn) -> Chosen:
    """Selectors and line filters, some of which find something."""
    tests = [LabelTest(*ALWAYS[:1], "=", ALWAYS[1])]
    for name in draw(st.lists(st.sampled_from(["app", "env", "none"]), max_size=2)):
        op = draw(st.sampled_from(["=", "!=", "=~", "!~"]))
        tests.append(LabelTest(name, op, draw(_patterns if "~" in op else _values | st.just(""))))
    lines: list[LineTest] = []
    for op in draw(st.lists(st.sampled_from(["|=", "!=", "|~", "!~"]), max_size=2)):
        texts = _words | _texts
        lines.append(LineTest(op, draw((_patterns | texts.map(re.escape)) if "~" in op else texts)))
    return Chosen(tuple(tests), tuple(lines))


def query_of(chosen: Chosen) -> str:
    matchers = ",".join(f"{test.name}{test.op}{quote(test.value)}" for test in chosen.labels)
    return f"{{{matchers}}}" + "".join(f" {test.op} {quote(test.value)}" for test in chosen.lines)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LodurServer]:
    server = LodurServer(tmp_path_factory.mktemp("twin"), config_text=CONFIG)
    server.start()
    yield server
    server.kill()


class Tenant:
    """A tenant of its own, asked over HTTP."""

    _numbers = itertools.count()

    def __init__(self, server: LodurServer) -> None:
        self._port = server.port
        self._headers = {"X-Scope-OrgID": f"twin-{next(self._numbers)}"}

    def push(self, rows: Sequence[Row]) -> None:
        streams = [(dict(row.labels), [(row.ts_ns, row.line, dict(row.metadata))]) for row in rows]
        answer = ask(self._port, "POST", "/loki/api/v1/push", self._headers | JSON, json_push(streams))
        assert answer.status == 204, answer

    def flush(self) -> None:
        assert ask(self._port, "POST", "/flush", self._headers).status == 204

    def compact(self) -> None:
        """Wait until the compactor has looked through all days, from their first to their last."""
        begun = self._rounds()
        wait_until(lambda: self._rounds() >= begun + 2, deadline_s=60, what="a run of the compactor")

    def _rounds(self) -> float:
        page = ask(self._port, "GET", "/metrics", {}).text
        found = re.search(r"^lodur_compaction_rounds_total (\S+)$", page, re.MULTILINE)
        assert found, page
        return float(found[1])

    def ask(self, path: str, **params: object) -> Any:
        body = urlencode({"start": FIRST_S - 1000, "end": LAST_S + 1000} | params).encode()
        answer: Answer = ask(self._port, "POST", f"/loki/api/v1/{path}", self._headers | FORM, body)
        assert answer.status == 200, (params, answer)
        return json.loads(answer.text)

    def entries(self, query: str, **params: object) -> list[tuple[Labels, list[tuple[int, str]]]]:
        result = self.ask("query_range", query=query, **params)["data"]["result"]
        return [(labels_of(stream["stream"]), [(int(ts), line) for ts, line in stream["values"]]) for stream in result]

    def series(self, query: str, **params: object) -> Series:
        result = self.ask("query_range", query=query, **params)["data"]["result"]
        return {labels_of(one["metric"]): {round(at): float(value) for at, value in one["values"]} for one in result}


def fill(tenant: Tenant, twin: LogTwin, history: Sequence[Step]) -> None:
    for step in history:
        match step:
            case Push(rows):
                tenant.push(rows)
                twin.push(rows)
            case Flush():
                tenant.flush()
            case Compact():
                tenant.compact()
            case _:
                assert_never(step)


def flat(streams: Sequence[tuple[Labels, list[tuple[int, str]]]]) -> list[tuple[Labels, int, str]]:
    return [(labels, ts_ns, line) for labels, values in streams for ts_ns, line in values]


def printed(labels: Labels) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}"


_PLAIN = re.compile(r'\{(?:[a-z]+="[a-z0-9 ]*"(?:, )?)*\}')


def check_entries(tenant: Tenant, twin: LogTwin, chosen: Chosen, start_ns: int, end_ns: int, limit: int) -> None:
    query = query_of(chosen)
    expected = [(row.result_labels, row.ts_ns, row.line) for row in twin.chosen(chosen, start_ns, end_ns)]
    span = {"start": start_ns, "end": end_ns}
    whole = {way: tenant.entries(query, direction=way, limit=100_000, **span) for way in ("forward", "backward")}
    assert sorted(flat(whole["forward"])) == sorted(expected)
    assert [(labels, values[::-1]) for labels, values in whole["backward"]] == whole["forward"]
    # Plain ones are in the order of their texts; how the rest is escaped there is a matter of other tests.
    order = [text for text in map(printed, (labels for labels, _ in whole["forward"])) if _PLAIN.fullmatch(text)]
    assert order == sorted(order)
    for _, values in whole["forward"]:
        assert [ts_ns for ts_ns, _ in values] == sorted(ts_ns for ts_ns, _ in values)
    for way in ("forward", "backward"):
        best = sorted((ts_ns for _, ts_ns, _ in expected), reverse=way == "backward")[:limit]
        limited = flat(tenant.entries(query, direction=way, limit=limit, **span))
        # Which rows of the last timestamp are cut off is nobody's promise.
        assert sorted((ts_ns for _, ts_ns, _ in limited), reverse=way == "backward") == best
        assert len(set(limited)) == len(limited)
        assert set(limited) <= set(expected)


def check_metrics(tenant: Tenant, twin: LogTwin, chosen: Chosen, range_s: int, step_s: int) -> None:
    first_s, last_s = FIRST_S // step_s * step_s, -(-LAST_S // step_s) * step_s
    times_s = range(first_s, last_s + 1, step_s)
    params = {"start": FIRST_S, "end": LAST_S, "step": step_s}
    inner = f"{query_of(chosen)} [{range_s}s]"
    for function, weigh in (
        ("count_over_time", lambda row: 1.0),
        ("rate", lambda row: 1 / range_s),
        ("bytes_over_time", lambda row: float(len(row.line.encode()))),
    ):
        for query, by in (
            (f"{function}({inner})", None),
            (f"sum by (app, trace) ({function}({inner}))", ("app", "trace")),
            (f"sum({function}({inner}))", ()),
        ):
            found = tenant.series(query, **params)
            expected = twin.over_time(chosen, range_s, times_s, weigh, by)
            assert found.keys() == expected.keys(), query
            for labels, values in expected.items():
                assert found[labels].keys() == values.keys(), query
                for at_s, value in values.items():
                    assert math.isclose(found[labels][at_s], value, rel_tol=1e-9), query


def check_streams(tenant: Tenant, twin: LogTwin, chosen: Chosen, pushed: int) -> None:
    selector = query_of(Chosen(chosen.labels))
    streams = twin.streams(chosen.labels)
    listed = [labels_of(labels) for labels in tenant.ask("series", **{"match[]": selector})["data"]]
    assert sorted(listed) == sorted(streams)
    names = sorted({name for labels in streams for name, _ in labels})
    assert tenant.ask("labels", query=selector).get("data", []) == names
    for name in names:
        values = sorted({value for labels in streams for found, value in labels if found == name})
        assert tenant.ask(f"label/{name}/values", query=selector)["data"] == values
    stats = tenant.ask("index/stats", query=selector)
    rows = twin.chosen(Chosen(chosen.labels), 0, 2**63)
    assert stats["streams"] == len(streams)
    # An estimate: a row that came again after a flush is counted again, as nobody reads rows for this.
    assert len(rows) <= stats["entries"] <= pushed


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=PHASES,
)
@given(
    history=histories(),
    asked=st.lists(choices(), min_size=1, max_size=3),
    span_ns=st.tuples(_times_ns, _times_ns).map(sorted),
    limit=st.integers(1, 20),
    range_s=st.integers(1, 90),
    step_s=st.integers(5, 60),
)
def test_the_server_answers_as_its_twin(
    server: LodurServer,
    history: list[Step],
    asked: list[Chosen],
    span_ns: list[int],
    limit: int,
    range_s: int,
    step_s: int,
) -> None:
    tenant, twin = Tenant(server), LogTwin()
    fill(tenant, twin, history)
    for chosen in asked:
        check_entries(tenant, twin, chosen, FIRST_S * NS_PER_S - 1, LAST_S * NS_PER_S + 1, limit)
        check_entries(tenant, twin, chosen, span_ns[0], span_ns[1], limit)
        check_metrics(tenant, twin, chosen, range_s, step_s)
        check_streams(tenant, twin, chosen, sum(len(step.rows) for step in history if isinstance(step, Push)))
    assert "Traceback" not in server.log()
    assert "compaction failed" not in server.log()
