"""Several objects are written at a time: a reader that begins may meet one before those that come before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.model.clock import ManualClock
from lodur.store.days import NS_PER_DAY
from lodur.store.object_wal.names import FIRST_NUMBER, object_path
from lodur.store.object_wal.reading import listed_numbers
from tests.wal_node import OPTIONS, Push, Row, WalNode

NOW_NS = 20_000 * NS_PER_DAY + NS_PER_DAY // 2

INTERVAL_S = OPTIONS.interval_s * 1.1

LOOK_S = 2.5
"""After which a reader has looked for everything."""


def row_of(number: int) -> Row:
    return ("t", "x", NOW_NS + number, f"line {number}")


def with_gap(writer: WalNode, acknowledged: int) -> tuple[list[Row], list[Push]]:
    """So many rows that are acknowledged, and two pushes of which only the later one's object is there."""
    rows = [row for number in range(acknowledged) for row in writer.acknowledged([row_of(number)])]
    pushes = []
    for number in (acknowledged, acknowledged + 1):
        pushes.append(writer.push([row_of(number)]))
        writer.time.advance(INTERVAL_S)
        assert writer.take_group()
    writer.send(1)
    gap = FIRST_NUMBER + acknowledged
    assert listed_numbers(writer.objects, writer.wal.writer_id) == [*range(FIRST_NUMBER, gap), gap + 1]
    return rows, pushes


@pytest.mark.parametrize("acknowledged", [0, 1])
def test_an_object_that_comes_after_the_one_behind_it_is_seen(tmp_path: Path, acknowledged: int) -> None:
    time = ManualClock(NOW_NS)
    writer = WalNode(tmp_path, time)
    rows, pushes = with_gap(writer, acknowledged)
    reader = WalNode(tmp_path, time, skew_s=5000.0)
    assert reader.rows() == rows
    writer.send()
    assert all(push.is_acknowledged for push in pushes)
    time.advance(LOOK_S)
    reader.follower.poll()
    assert reader.rows() == [*rows, *(row for push in pushes for row in push.rows)]


def test_the_end_of_a_log_in_the_gap_is_seen(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    writer = WalNode(tmp_path, time)
    rows, pushes = with_gap(writer, 1)
    reader = WalNode(tmp_path, time, skew_s=5000.0)
    writer.die()
    WalNode(tmp_path, time).adopt_silent()
    time.advance(LOOK_S)
    reader.follower.poll()
    assert reader.rows() == rows
    assert reader.store.foreign_bytes() == 0
    assert not any(push.is_acknowledged for push in pushes)


def test_a_reader_that_meets_a_log_while_it_is_deleted_sees_all_of_it(tmp_path: Path) -> None:
    """Objects of an adopted log are deleted in any order, and its lease names the first one still."""
    time = ManualClock(NOW_NS)
    reader = WalNode(tmp_path, time, skew_s=5000.0)
    writer = WalNode(tmp_path, time)
    rows = [row for number in range(4) for row in writer.acknowledged([row_of(number)])]
    writer.die()
    WalNode(tmp_path, time).adopt_silent()
    for number in (1, 3):
        writer.objects.delete(object_path(writer.wal.writer_id, number))
    time.advance(LOOK_S)
    reader.follower.poll()
    assert reader.rows() == rows
    assert reader.store.foreign_bytes() == 0
