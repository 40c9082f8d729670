"""Objects of a log that come damaged over the network once, and lie whole in the store."""

from __future__ import annotations

from pathlib import Path

from lodur.model.clock import ManualClock
from lodur.store.days import NS_PER_DAY
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.object_store import StoredObject
from lodur.store.object_wal.lease import LeaseState, read_lease
from lodur.store.object_wal.names import object_path
from tests.wal_node import Row, WalNode

NOW_NS = 20_000 * NS_PER_DAY + NS_PER_DAY // 2


class NoisyNetwork(FilesystemStore):
    """A store of which some objects come with a flipped bit the next time that they are read."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.noisy: set[str] = set()

    def get(self, path: str) -> StoredObject | None:
        found = super().get(path)
        if found is None or path not in self.noisy:
            return found
        self.noisy.discard(path)
        data = bytearray(found.data)
        data[-5] ^= 1
        return StoredObject(bytes(data), found.version)


def row_of(number: int) -> Row:
    return ("t", "x", NOW_NS + number, f"line {number}")


def test_a_reader_shows_what_came_damaged_once(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    store = NoisyNetwork(tmp_path)
    writer, reader = WalNode(tmp_path, time), WalNode(tmp_path, time, faulty=store)
    rows = [row for number in range(3) for row in writer.acknowledged([row_of(number)])]
    store.noisy.add(object_path(writer.wal.writer_id, 2))
    time.advance(2.5)
    reader.follower.poll()
    assert reader.rows() == sorted(rows)


def test_an_adopter_keeps_what_came_damaged_once(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    store = NoisyNetwork(tmp_path)
    writer, reader = WalNode(tmp_path, time), WalNode(tmp_path, time, faulty=store)
    rows = [row for number in range(3) for row in writer.acknowledged([row_of(number)])]
    writer.die()
    store.noisy.add(object_path(writer.wal.writer_id, 2))
    reader.adopt_silent()
    found = read_lease(store, writer.wal.writer_id)
    assert found is not None
    assert found.lease.state is LeaseState.ADOPTED
    assert not found.lease.damaged_numbers
    assert WalNode(tmp_path, time).rows() == sorted(rows)


def test_a_writer_knows_its_own_object_that_came_damaged_once(tmp_path: Path) -> None:
    """Where the answer to its making was lost, the object is read and compared."""
    time = ManualClock(NOW_NS)
    store = NoisyNetwork(tmp_path)
    writer = WalNode(tmp_path, time, faulty=store)
    push = writer.push([("t", "x", NOW_NS, "line")])
    assert writer.take_group()
    ((group, data),) = writer.sending
    path = object_path(writer.wal.writer_id, group.number)
    assert store.replace_if(path, data, None) is not None
    store.noisy.add(path)
    writer.send()
    assert push.is_acknowledged
    assert not writer.wal.is_fenced()
