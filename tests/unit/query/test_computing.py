"""Plans computed in stretches of steps: the same series as in one piece, stopped soon, and no larger than allowed."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import lodur.query.computing as computing
from lodur.kernels.scan import Cancel
from lodur.logql.parser import parse_query
from lodur.model.errors import DeadlineExceeded, LimitExceeded
from lodur.model.label_set import LabelSet
from lodur.model.limits import GIB
from lodur.query.computing import compute
from lodur.query.evaluate.matrix import Matrix
from lodur.query.plan.building import build_plan
from lodur.query.plan.nodes import LogScan, MetricPlan, RangeScan, walk

COUNT = 'count_over_time({app=~".+"}[1m])'
QUERIES = (
    f"topk(3, {COUNT})",
    f"bottomk by (zone) (40, {COUNT})",
    f"stddev by (zone) ({COUNT})",
    f"{COUNT} / {COUNT}",
    f"{COUNT} / on (zone) group_left () sum by (zone) ({COUNT} > 0.5)",
    f"sum({COUNT}) + sum({COUNT}) - max({COUNT})",
    f"{COUNT} and ({COUNT} > 0.5)",
    f"({COUNT} > 0.7) or ({COUNT} * 2 < 1)",
    f"sort(({COUNT} > 0.9) > bool 0.95)",
)

STOPPED_WITHIN_S = 5.0
"""Far above what it takes: the machine may have other things to do."""


def planned(text: str) -> tuple[MetricPlan, list[RangeScan]]:
    """The plan as written, and its scans."""
    plan = build_plan(parse_query(text))
    assert not isinstance(plan, LogScan)
    return plan, [node for node in walk(plan) if isinstance(node, RangeScan)]


def series(count: int, steps: int) -> Matrix:
    random = np.random.default_rng(7)
    labels = tuple(LabelSet.of({"zone": f"z{row % 3}", "pod": f"p{row}"}) for row in range(count))
    return Matrix(labels, random.random((count, steps)), random.random((count, steps)) < 0.6)


def samples(matrix: Matrix) -> dict[str, list[float | None]]:
    """By series; the order in which numbers are added up depends on how many lie side by side."""
    return {
        str(labels): [round(value, 9) if there else None for value, there in zip(values, present, strict=True)]
        for labels, values, present in zip(matrix.labels, matrix.values.tolist(), matrix.present.tolist(), strict=True)
    }


@pytest.mark.parametrize("text", QUERIES)
def test_stretches_give_what_one_piece_gives(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    plan, scans = planned(text)
    scanned = dict.fromkeys(scans, series(50, 41))
    whole = compute(plan, scanned, 41, cancel=Cancel(), bytes_max=GIB)
    monkeypatch.setattr(computing, "STRETCH_CELLS", 50 * 4)
    assert samples(compute(plan, scanned, 41, cancel=Cancel(), bytes_max=GIB)) == samples(whole)


@pytest.mark.parametrize("text", QUERIES)
def test_a_computation_stops_soon_after_it_is_cancelled(text: str) -> None:
    plan, scans = planned(text)
    scanned = dict.fromkeys(scans, series(2000, 2000))
    cancel, outcome = Cancel(), []

    def work() -> None:
        try:
            compute(plan, scanned, 2000, cancel=cancel, bytes_max=GIB)
        except DeadlineExceeded:
            outcome.append("stopped")

    thread = threading.Thread(target=work)
    thread.start()
    cancel.set()
    asked_s = time.monotonic()
    thread.join()
    assert outcome == ["stopped"]
    assert time.monotonic() - asked_s < STOPPED_WITHIN_S


@pytest.mark.parametrize("text", [f"{COUNT} * 2", f"topk(3, {COUNT})", f'label_replace({COUNT}, "a", "b", "c", ".*")'])
def test_an_answer_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    plan, scans = planned(text)
    scanned = dict.fromkeys(scans, series(100, 100))
    assert compute(plan, scanned, 100, cancel=Cancel(), bytes_max=100_000).labels
    for cells in (2**20, 1000):
        monkeypatch.setattr(computing, "STRETCH_CELLS", cells)
        with pytest.raises(LimitExceeded, match="would take more than 9000 bytes of memory") as refused:
            compute(plan, scanned, 100, cancel=Cancel(), bytes_max=9000)
        assert refused.value.limit == "max_query_memory"
