"""`kill -9` under load: nothing acknowledged is lost, nothing is doubled. The long run is in `crash_cycles`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.crash_cycles import crash_cycles

CYCLES = 8


@pytest.mark.parametrize("seed", [11])
def test_nothing_is_lost_or_doubled(tmp_path: Path, seed: int) -> None:
    verdict = crash_cycles(tmp_path, cycles=CYCLES, seed=seed, judge_every=4)
    assert verdict.acknowledged > 0
    assert verdict.is_clean
