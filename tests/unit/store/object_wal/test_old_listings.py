"""Listings of a log that are out of date: whoever brings it to an end must not take a trimmed object for the end, nor
leave for ever what a listing did not show."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.ingest.store_adopting import DONE_KEPT_NS, READERS_GRACE_S
from lodur.model.clock import ManualClock
from lodur.store.days import NS_PER_DAY
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.object_store import ListedObject
from lodur.store.object_wal.names import writer_folder
from lodur.store.object_wal.reading import listed_numbers
from lodur.store.object_wal.writing import TRIM_GRACE_S
from tests.wal_node import Row, WalNode

NOW_NS = 20_000 * NS_PER_DAY + NS_PER_DAY // 2


class OldListings(FilesystemStore):
    """A store that lists some folders as they were once."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.old: dict[str, list[ListedObject]] = {}

    def list_objects(self, prefix: str) -> list[ListedObject]:
        return self.old[prefix] if prefix in self.old else super().list_objects(prefix)


def row_of(number: int) -> Row:
    return ("t", "x", NOW_NS + number, f"line {number}")


@pytest.mark.parametrize("is_said", [False, True])
def test_a_log_of_which_the_beginning_was_deleted_is_adopted_to_its_end(tmp_path: Path, *, is_said: bool) -> None:
    """Whether the lease was written again since the objects were deleted or not."""
    time = ManualClock(NOW_NS)
    store = OldListings(tmp_path)
    writer, reader = WalNode(tmp_path, time), WalNode(tmp_path, time, skew_s=5000.0, faulty=store)
    folder = writer_folder(writer.wal.writer_id)
    rows = writer.acknowledged([row_of(0)])
    store.old[folder] = store.list_objects(folder)
    for number in range(1, 4):
        rows += writer.acknowledged([row_of(number)])
        writer.flush()
    time.advance(TRIM_GRACE_S)
    writer.beat()
    last = writer.acknowledged([row_of(4)])
    if is_said:
        writer.beat()
    assert len(listed_numbers(writer.objects, writer.wal.writer_id)) < len(rows)
    writer.die()
    reader.adopt_silent()
    fresh = WalNode(tmp_path, time)
    assert fresh.rows() == sorted([*rows, *last])


def test_what_the_listing_did_not_show_is_deleted_with_the_lease(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    store = OldListings(tmp_path)
    writer, reader = WalNode(tmp_path, time), WalNode(tmp_path, time, faulty=store)
    writer_id = writer.wal.writer_id
    old = store.list_objects(writer_folder(writer_id))
    rows = [row for number in range(3) for row in writer.acknowledged([row_of(number)])]
    writer.wal.close()
    reader.adopter.poll()
    store.old[writer_folder(writer_id)] = old
    reader.adopter.poll()
    time.advance(READERS_GRACE_S)
    reader.adopter.poll()
    assert len(listed_numbers(writer.objects, writer_id)) > 1
    store.old.clear()
    time.advance(DONE_KEPT_NS / 1e9)
    reader.adopter.poll()
    reader.adopter.poll()
    assert listed_numbers(writer.objects, writer_id) == []
    assert WalNode(tmp_path, time).rows() == rows
