"""Processors that are kept from sleeping for a bench."""

from __future__ import annotations

from pathlib import Path

from bench.awake import awake


def test_linux_is_asked_for_processors_that_wake_at_once(tmp_path: Path) -> None:
    device = tmp_path / "cpu_dma_latency"
    device.touch()
    with awake(device) as is_awake:
        assert is_awake
        assert device.read_bytes() == bytes(4)


def test_without_the_device_processors_sleep(tmp_path: Path) -> None:
    with awake(tmp_path / "none") as is_awake:
        assert not is_awake
