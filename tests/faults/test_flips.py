"""A sample of all bits; all of a byte's places are gone through by `python -m tests.faults.flips`."""

from __future__ import annotations

from pathlib import Path

from tests.faults.flips import OneFile, answers, flipped_log, flipped_segment, make_log, make_segment

SEGMENT_EVERY_BITS = 769
LOG_EVERY_BITS = 41


def test_a_flipped_bit_of_a_segment_is_told_or_changes_nothing(tmp_path: Path) -> None:
    whole = make_segment(tmp_path / "whole.parquet")
    wanted = answers(OneFile(whole))
    bits = range(0, 8 * whole.stat().st_size, SEGMENT_EVERY_BITS)
    told = [flipped_segment(whole, place, wanted) for place in bits]
    assert told.count("told") > len(told) // 2


def test_a_flipped_bit_of_a_log_costs_one_record_at_most_and_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    records = make_log(log)
    told = [
        flipped_log(log, file, place, records)
        for file in sorted(log.glob("*.wal"))
        for place in range(0, 8 * file.stat().st_size, LOG_EVERY_BITS)
    ]
    assert told.count("told") > len(told) // 2
