"""Patterns from heads, local and remote segments, and from a part of what is too much."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lodur.kernels.pattern_plan import PatternPlan, encode
from lodur.kernels.patterns import PatternScan
from lodur.kernels.scan import Cancel
from lodur.kernels.segment import Segment
from lodur.logql.parser import parse_selector
from lodur.model.clock import ManualClock
from lodur.model.errors import DeadlineExceeded
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.answers import Pattern
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from tests.memory_store import FileAsRemote, MemoryStore, segment_file

S = 10**9
T0_NS = 1_700_000_040 * S
TENANT = TenantId("t")
DAY = TimeSpan(T0_NS, T0_NS + 86_400 * S)


def found(store: MemoryStore, selector: str = '{app="x"}') -> list[Pattern]:
    engine = Engine(store, QuerierOptions(threads=2), ManualClock(T0_NS), lambda _: QueryLimits())
    try:
        return asyncio.run(engine.patterns(TENANT, parse_selector(selector), DAY, 60 * S))
    finally:
        engine.close()


def lines(count: int, text: str = "request {} took {}ms") -> list[tuple[int, str]]:
    return [(T0_NS + k * S // 100, text.format(k, k * 7)) for k in range(count)]


@pytest.mark.parametrize("kind", ["head", "local", "remote"])
def test_every_kind_of_source_is_read(kind: str, tmp_path: Path) -> None:
    store = MemoryStore()
    streams = {"app=x": lines(500), "app=y": lines(10, "other {} of {}")}
    if kind == "head":
        store.add_head("t", streams)
    else:
        path = segment_file(tmp_path / "a.parquet", streams)
        store.by_tenant[TENANT] = [Segment.open_file(path) if kind == "local" else FileAsRemote(path)]
    step = T0_NS // (60 * S)
    assert found(store) == [Pattern("request <_> took <_>", "unknown", ((step, 500),))]


def test_a_part_stands_for_the_whole(tmp_path: Path) -> None:
    # Blocks of 16,384 rows: of about eight, half are read.
    path = segment_file(tmp_path / "a.parquet", {"app=x": lines(130_000)})
    segment = Segment.open_file(path)
    plan = PatternPlan((), DAY.start_ns, DAY.end_ns, 3600 * S, patterns_max=10, keep_every=2)
    scan = PatternScan.compile(encode(plan))
    patterns, stats = scan.run([segment], cancel=Cancel(), threads=2)
    assert 0 < stats.blocks_read < stats.blocks
    ((text, _, samples),) = patterns
    assert text == "request <_> took <_>"
    assert sum(count for _, count in samples) == pytest.approx(130_000, rel=0.05)
    remote = FileAsRemote(path).segment
    assert len(scan.page_ranges(remote)) < 3 * stats.blocks
    assert scan.block_bytes([segment]) == sum(len(line) for _, line in lines(130_000))


def test_a_search_that_nobody_waits_for_stops() -> None:
    store = MemoryStore()
    store.add_head("t", {"app=x": lines(10)})
    scan = PatternScan.compile(encode(PatternPlan((), DAY.start_ns, DAY.end_ns, S, patterns_max=10)))
    cancel = Cancel()
    cancel.set()
    (head,) = store.by_tenant[TENANT]
    with pytest.raises(DeadlineExceeded):
        scan.run([head], cancel=cancel, threads=1)  # type: ignore[list-item]  # the store holds heads only


def test_a_plan_of_another_version_is_refused() -> None:
    plan = PatternPlan((), 0, 1, 1, patterns_max=1, version=99)
    with pytest.raises(ValueError, match="pattern plan of version 99"):
        PatternScan.compile(encode(plan))
