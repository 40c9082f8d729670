from __future__ import annotations

import pytest

from bench.figures import change, gb_per_s, mb_per_s, per_gb, percentile, ratio


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, 1.0), (0.5, 2.0), (0.51, 3.0), (0.75, 3.0), (0.99, 4.0), (1.0, 4.0)],
)
def test_a_percentile_is_one_of_the_values(share: float, expected: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == expected


def test_no_values_have_no_percentile() -> None:
    assert percentile([], 0.99) == 0.0


def test_rates_count_in_powers_of_ten() -> None:
    assert per_gb(5.0, 500_000_000) == 10.0
    assert mb_per_s(300_000_000, 2.0) == 150.0
    assert gb_per_s(300_000_000, 0.5) == pytest.approx(0.6)


def test_without_a_calibration_there_is_no_ratio() -> None:
    assert ratio(6.0, 2.0) == 3.0
    assert ratio(6.0, None) is None
    assert ratio(6.0, 0.0) is None


def test_change_is_a_part_of_the_old_value() -> None:
    assert change(10.0, 12.0) == pytest.approx(0.2)
    assert change(10.0, 5.0) == -0.5
    assert change(0.0, 5.0) is None
