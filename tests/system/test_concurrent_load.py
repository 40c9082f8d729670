"""Pushers and queriers at once, for some seconds; two minutes of it are in `concurrent_load`."""

from __future__ import annotations

from pathlib import Path

from tests.system.concurrent_load import concurrent_load

PEAK_MIB_MAX = 1536


def test_many_clients_at_once(tmp_path: Path) -> None:
    report = concurrent_load(tmp_path, seconds=5, pushers=32, queriers=8)
    assert report.acknowledged > 0
    assert report.queries > 0
    assert report.peak_kib < PEAK_MIB_MAX * 1024
