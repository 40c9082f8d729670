"""Entries stored several times, as after a retry long after the first write, are one; pages are full all the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lodur.model.clock import ManualClock
from lodur.query.answers import StreamsAnswer
from lodur.query.requests import RangeRequest
from tests.compacting_node import TENANT, Node

T0_NS = 20_000 * 86_400 * 10**9
ROWS = [("x", T0_NS + number // 3 * 10**9, f"line {number}") for number in range(100)]
"""Three at a time each."""

FLUSHES = 8


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """All rows in two segments and half of them in memory; the first ten in three segments more."""
    directory: Path = tmp_path_factory.mktemp("repeated")
    node = Node(directory, ManualClock(T0_NS + 3600 * 10**9))
    for number, rows in enumerate((ROWS, ROWS, *[ROWS[:10]] * 3)):
        node.push(rows)
        node.flush()
        # Rows that come again are recognised as long as their flush is among the last.
        for other in range(FLUSHES):
            node.push([("y", T0_NS, f"{number} {other}")])
            node.flush()
    node.push(ROWS[50:])
    assert node.counted_rows() == 5 * FLUSHES + 2 * 100 + 3 * 10 + 50
    yield node
    node.stop()


@pytest.mark.parametrize(
    "query", ['{app="x"}', '{app="x"} |= "line"', '{app="x"} | line_format "{{.app}} {{__line__}}"']
)
@pytest.mark.parametrize("limit", [1, 2, 7, 30, 99, 100, 101, 5000])
@pytest.mark.parametrize("backward", [False, True])
def test_pages_are_full(node: Node, query: str, limit: int, *, backward: bool) -> None:
    request = RangeRequest(query, T0_NS, T0_NS + 3600 * 10**9, step_ns=10**9, limit=limit, backward=backward)
    answer = asyncio.run(node.engine.range((TENANT,), request))
    assert isinstance(answer, StreamsAnswer)
    (stream,) = json.loads(answer.result.streams_json(categorize=False))
    found = [(int(ts_ns), line.removeprefix("x ")) for ts_ns, line in stream["values"]]
    expected = [(ts_ns, line) for _, ts_ns, line in ROWS]
    if backward:
        expected.reverse()
    times = [ts_ns for ts_ns, _ in expected]
    assert len(found) == len(set(found)) == min(limit, len(ROWS))
    assert set(found) <= set(expected)
    assert [ts_ns for ts_ns, _ in found] == times[: len(found)]
