"""Queries gone wrong in any way are answered or refused by the endpoints: no failure, no panic, no hang."""

from __future__ import annotations

import os

import pytest

from tests.fuzz_queries.fuzzing import fuzz

CASES = int(os.environ.get("LODUR_FUZZ_QUERIES", "4000"))
"""Queries of one run; a soak takes a million (and is better made by `python -m tests.fuzz_queries`)."""

PEAK_MAX_BYTES = 2 * 2**30
"""Of the whole test process, whatever ran in it before."""


@pytest.mark.timeout(CASES)
def test_any_query_is_dealt_with() -> None:
    tally = fuzz(CASES, seed=1)
    assert tally.statuses[200] > tally.cases // 20
    assert tally.statuses[400] > tally.cases // 2
    assert tally.peak_bytes < PEAK_MAX_BYTES
