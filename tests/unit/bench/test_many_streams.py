"""When the bench of many streams and tenants fails."""

from __future__ import annotations

import pytest

from bench.many_streams import STREAMS_PEAK, is_met


@pytest.mark.parametrize(
    ("used_s", "peak_mib", "is_good"),
    [((1.0, 9.0, 3.0), 512.0, True), ((1.0, 1.0, 3.1), 321.0, False), ((1.0, 1.0, 1.0), 513.0, False)],
)
def test_its_bars(
    capsys: pytest.CaptureFixture[str], used_s: tuple[float, ...], peak_mib: float, is_good: bool
) -> None:
    assert is_met("streams", used_s, peak_mib, STREAMS_PEAK) is is_good
    assert ("MISSED" in capsys.readouterr().out) is not is_good
