"""Random queries over random entries: the engine answers as the twin, whether rows lie in the head or in segments."""

from __future__ import annotations

import os

import pytest

from tests.differential.cases import run_cases

CASES = int(os.environ.get("LODUR_DIFFERENTIAL_CASES", "2000"))
"""Queries of one run; a soak takes tens of thousands (and is better made by `python -m tests.differential`)."""

SEEDS = (1, 2)


@pytest.mark.timeout(CASES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_engine_answers_as_its_twin(seed: int) -> None:
    tally = run_cases(CASES // len(SEEDS), seed)
    assert tally.kinds["found"] > tally.cases // 5
    assert tally.kinds["open"] < tally.cases // 20
    assert tally.kinds["pipeline error"]
