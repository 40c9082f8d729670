"""Kept results are those of a scan, whatever was pushed late, flushed, merged, deleted or expired in between."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from prometheus_client import CollectorRegistry

from lodur.kernels.scan_plan import Grouping, Metric, RangeOp
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S
from lodur.model.errors import InvalidRequest
from lodur.model.limits import QueryLimits
from lodur.query.answers import MatrixAnswer
from lodur.query.engine import Engine
from lodur.query.evaluate.matrix import Matrix
from lodur.query.options import QuerierOptions
from lodur.query.requests import RangeRequest
from lodur.query.result_cache import PIECES_MAX, pieces_of
from lodur.store.compaction.options import CompactionPolicy, CompactorOptions, RetentionPeriods
from lodur.telemetry.store_metrics import CacheMetrics
from tests.compacting_node import TENANT, Node, Row

BEGIN_NS = 1_700_000_000 * NS_PER_S

OPTIONS = CompactorOptions(
    reader_grace_ns=0,
    retention_enabled=True,
    retention_delete_delay_ns=0,
    delete_cancel_period_ns=2 * NS_PER_HOUR,
    policy=CompactionPolicy(target_bytes=3000, settled_after_ns=NS_PER_HOUR, cold_after_ns=6 * NS_PER_HOUR),
)

DELETED = ('{app="x"}', '{app=~".+"} |= "7"', '{app=~"x|y"} | logfmt | n > 20')

TEXTS = (
    'sum by (app) (count_over_time({app=~".+"}[5m]))',
    'sum(rate({app="x"} |= "7" [1h]))',
    'max_over_time({app=~".+"} | logfmt | unwrap n [30m]) by (app)',
    'count_over_time({app="y"}[10m] offset 1h)',
)


def limits(_: object) -> QueryLimits:
    return QueryLimits(length_max_ns=0, entries_max=0)


def series(engine: Engine, text: str, start_ns: int, end_ns: int, step_ns: int, *, is_fresh: bool = False) -> Matrix:
    request = RangeRequest(text, start_ns, end_ns, step_ns, limit=100, is_fresh=is_fresh)
    answer = asyncio.run(engine.range((TENANT,), request))
    assert isinstance(answer, MatrixAnswer)
    return answer.matrix


def assert_equal(found: Matrix, wanted: Matrix) -> None:
    assert found.labels == wanted.labels
    assert np.array_equal(found.present, wanted.present)
    assert np.array_equal(found.values[found.present], wanted.values[wanted.present])


class Dashboards(RuleBasedStateMachine):
    """Two engines over one store, of which one keeps results."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="lodur-results-"))
        self.clock = ManualClock(BEGIN_NS)
        periods = RetentionPeriods(40 * NS_PER_HOUR)
        self.node = Node(self.directory, self.clock, options=OPTIONS, periods=periods)
        options = QuerierOptions(threads=1, results_max_bytes=1 << 20)
        self.cached = Engine(self.node.store, options, self.clock, limits)
        self.number = 0
        self.asked: list[str] = []

    @rule(count=st.integers(1, 12), late_h=st.integers(0, 30), app=st.sampled_from("xyz"))
    def push(self, count: int, late_h: int, app: str) -> None:
        rows: list[Row] = []
        for _ in range(count):
            self.number += 1
            ts_ns = self.clock.now_ns() - late_h * NS_PER_HOUR + self.number * NS_PER_S
            rows.append((app, ts_ns, f"n={self.number}"))
        self.node.push(rows)

    @rule()
    def flush(self) -> None:
        self.node.flush()

    @rule()
    def compact(self) -> None:
        self.node.compact()

    @rule(minutes=st.sampled_from([1, 40, 200]))
    def pass_time(self, minutes: int) -> None:
        self.clock.advance(60.0 * minutes)

    @rule(query=st.sampled_from(DELETED), from_h=st.integers(1, 40), length_h=st.integers(1, 40))
    def delete(self, query: str, from_h: int, length_h: int) -> None:
        start_ns = self.clock.now_ns() - from_h * NS_PER_HOUR
        self.asked.append(self.node.delete(query, start_ns, start_ns + length_h * NS_PER_HOUR))

    @rule()
    def cancel(self) -> None:
        if self.asked:
            with suppress(InvalidRequest):
                self.node.deletes.cancel(TENANT, self.asked.pop(), force=False, by="")

    @rule(text=st.sampled_from(TEXTS), hours=st.sampled_from([3, 24, 48]), step_minutes=st.sampled_from([1, 10, 45]))
    def look(self, text: str, hours: int, step_minutes: int) -> None:
        step_ns = step_minutes * NS_PER_MINUTE
        end_ns = self.clock.now_ns() // step_ns * step_ns
        wanted = series(self.node.engine, text, end_ns - hours * NS_PER_HOUR, end_ns, step_ns)
        for _ in range(2):
            assert_equal(series(self.cached, text, end_ns - hours * NS_PER_HOUR, end_ns, step_ns), wanted)

    def teardown(self) -> None:
        if hasattr(self, "node"):
            self.cached.close()
            self.node.stop()


def test_kept_results_are_those_of_a_scan() -> None:
    run_state_machine_as_test(Dashboards, settings=settings(max_examples=15, stateful_step_count=25))


def test_a_dashboard_that_moves_on_finds_what_it_had(tmp_path: Path) -> None:
    clock = ManualClock(BEGIN_NS)
    node = Node(tmp_path, clock)
    registry = CollectorRegistry()
    options = QuerierOptions(threads=1, results_max_bytes=1 << 20)
    engine = Engine(node.store, options, clock, limits, cache_metrics=CacheMetrics(registry))

    def count(what: str) -> float:
        return registry.get_sample_value(f"lodur_cache_{what}_total", {"cache": "results"}) or 0

    def look(*, is_fresh: bool = False) -> Matrix:
        end_ns = clock.now_ns() // NS_PER_MINUTE * NS_PER_MINUTE
        return series(engine, TEXTS[0], end_ns - 12 * NS_PER_HOUR, end_ns, NS_PER_MINUTE, is_fresh=is_fresh)

    hour_ns = BEGIN_NS // NS_PER_HOUR * NS_PER_HOUR
    node.push([("x", hour_ns - hour * NS_PER_HOUR + 1, f"line {hour}") for hour in range(1, 12)])
    node.flush()
    node.push([("x", BEGIN_NS - 1, "in memory")])
    look()
    assert (count("hits"), count("misses")) == (0, 11)
    clock.advance(120)
    look()
    assert (count("hits"), count("misses")) == (11, 11)
    look(is_fresh=True)
    assert (count("hits"), count("misses")) == (11, 11)
    # Late, so that all hours from then on are read again until it is in a segment.
    node.push([("x", hour_ns - 3 * NS_PER_HOUR, "late")])
    before = count("hits")
    assert look().values.sum() == 12 * 5 + 2
    assert count("hits") - before < 11
    node.flush()
    assert look().values.sum() == 12 * 5 + 2
    clock.advance(3601)
    before = count("hits")
    look()
    assert count("hits") == before
    engine.close()
    node.stop()


def test_what_is_deleted_is_in_no_kept_result(tmp_path: Path) -> None:
    """From the request on, after it is cancelled and asked for again, while it is carried out, and after."""
    clock = ManualClock(BEGIN_NS)
    node = Node(tmp_path, clock, options=OPTIONS)
    registry = CollectorRegistry()
    options = QuerierOptions(threads=1, results_max_bytes=1 << 20)
    engine = Engine(node.store, options, clock, limits, cache_metrics=CacheMetrics(registry))
    hour_ns = BEGIN_NS // NS_PER_HOUR * NS_PER_HOUR
    start_ns, end_ns = hour_ns - 12 * NS_PER_HOUR, hour_ns

    def hits() -> float:
        return registry.get_sample_value("lodur_cache_hits_total", {"cache": "results"}) or 0

    def counted() -> int:
        answers = [series(engine, TEXTS[0], start_ns, end_ns, 5 * NS_PER_MINUTE) for _ in range(2)]
        assert_equal(answers[0], answers[1])
        return int(answers[0].values[answers[0].present].sum())

    # One of two segments is not touched by any request.
    for app in "xy":
        node.push([(app, hour_ns - hour * NS_PER_HOUR + 1, f"n={hour}") for hour in range(1, 12)])
        node.flush()
    assert counted() == 22
    assert hits()
    made = node.delete('{app="x"} | logfmt | n > 5', start_ns, end_ns)
    assert counted() == 16
    node.deletes.cancel(TENANT, made, force=False, by="")
    before = hits()
    assert counted() == 22
    assert hits() > before
    made = node.delete('{app="x"} | logfmt | n > 5', start_ns, end_ns)
    clock.advance(2 * 3600 + 1)
    for status in ("processed", "processed"):
        assert counted() == 16
        node.compact()
        assert node.statuses() == {made: status}
    assert counted() == 16
    clock.advance(61)
    # What comes later stays, and is in the answers that were kept without it.
    node.push([("x", hour_ns - 7 * NS_PER_HOUR + 1, "n=7")])
    assert counted() == 17
    node.flush()
    assert counted() == 17
    engine.close()
    node.stop()


@settings(max_examples=200)
@given(
    start_ns=st.integers(0, 2**61),
    step_ns=st.integers(1, 10 * NS_PER_HOUR),
    steps=st.integers(1, 11_000),
    range_ns=st.integers(1, 1000 * NS_PER_HOUR),
)
def test_pieces_are_the_steps_of_the_task(start_ns: int, step_ns: int, steps: int, range_ns: int) -> None:
    task = Metric(
        op=RangeOp.COUNT,
        grouping=Grouping("all"),
        start_ns=start_ns,
        step_ns=step_ns,
        steps=steps,
        range_ns=range_ns,
        offset_ns=0,
        series_max=1,
    )
    pieces = pieces_of(task)
    assert len(pieces) <= 2 * PIECES_MAX + 2
    assert sum(piece.steps for piece in pieces) == steps
    expected_ns = start_ns
    for piece in pieces:
        assert piece.steps > 0
        assert piece.start_ns == expected_ns
        expected_ns += piece.steps * step_ns
    # A query that begins a few steps later has the same pieces but for the first and the last.
    later = pieces_of(msgspec.structs.replace(task, start_ns=start_ns + step_ns))
    if len(pieces) > 4:
        assert set(pieces[2:-2]) <= set(later)
