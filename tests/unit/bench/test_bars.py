from __future__ import annotations

import pytest

from bench.bars import FULL_SCAN, INGEST_CPU, Bar, are_meant_for, at_most_ms, pace


@pytest.mark.parametrize(
    ("bar", "good", "bad"),
    [(INGEST_CPU, 10.0, 10.1), (FULL_SCAN, 0.7, 0.69), (at_most_ms(20), 19.9, 20.1)],
)
def test_a_bar_knows_its_good_side(bar: Bar, good: float, bad: float) -> None:
    assert bar.holds(good)
    assert not bar.holds(bad)


def test_a_bar_is_printed_with_its_side_and_unit() -> None:
    assert str(at_most_ms(20)) == "≤ 20 ms"
    assert str(FULL_SCAN) == "≥ 0.7 GB/s"


def test_bars_are_meant_for_512_mib() -> None:
    assert are_meant_for(537_682_828)
    assert not are_meant_for(64 * 2**20)
    assert not are_meant_for(1024 * 2**20)


def test_pace_is_the_slowness_of_this_machine() -> None:
    assert pace(5.6) == 2.0
    assert pace(None) is None
