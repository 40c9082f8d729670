"""A store that answers nobody for a while: that kills no writer, and a writer that could not begin meanwhile begins."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from lodur.ingest.adopting import LOOKS_PER_LEASE
from lodur.model.clock import ManualClock
from lodur.model.errors import Unavailable
from lodur.store.days import NS_PER_DAY
from lodur.store.object_wal.lease import LeaseState, read_lease
from lodur.store.object_wal.writing import ObjectWal
from tests.wal_node import OPTIONS, Row, WalNode

NOW_NS = 20_000 * NS_PER_DAY + NS_PER_DAY // 2

LOOK_S = OPTIONS.lease_s / LOOKS_PER_LEASE

OUTAGE_LOOKS = 2 * LOOKS_PER_LEASE


def row_of(number: int) -> Row:
    return ("t", "x", NOW_NS + number, f"line {number}")


def state_of(node: WalNode, other: WalNode) -> LeaseState | None:
    found = read_lease(node.objects, other.wal.writer_id)
    return found.lease.state if found else None


@pytest.mark.parametrize("calls", [0, 1])
def test_a_writer_is_not_taken_for_dead_for_the_time_in_which_nobody_could_look(tmp_path: Path, calls: int) -> None:
    """Whether leases could not be listed or not be read."""
    time = ManualClock(NOW_NS)
    writer, backend = WalNode(tmp_path, time), WalNode(tmp_path, time, skew_s=5000.0)
    rows = writer.acknowledged([row_of(0)])
    backend.adopter.poll()
    for _ in range(OUTAGE_LOOKS):
        time.advance(LOOK_S)
        backend.objects.calls_left = calls
        with suppress(Unavailable):
            backend.adopter.poll()
    backend.objects.calls_left = None
    # The store answers again, and the writer waits for its next attempt.
    backend.adopter.poll()
    assert state_of(backend, writer) is LeaseState.LIVE
    rows += writer.acknowledged([row_of(1)])
    assert writer.rows() == rows


def test_a_writer_that_died_in_an_outage_is_adopted_after_it(tmp_path: Path) -> None:
    time = ManualClock(NOW_NS)
    writer, backend = WalNode(tmp_path, time), WalNode(tmp_path, time, skew_s=5000.0)
    rows = writer.acknowledged([row_of(0)])
    backend.adopter.poll()
    backend.objects.calls_left = 0
    with pytest.raises(Unavailable):
        backend.adopter.poll()
    writer.die()
    for _ in range(LOOKS_PER_LEASE + 1):
        time.advance(LOOK_S)
        backend.beat()
        backend.adopter.poll()
    assert state_of(backend, writer) is LeaseState.ADOPTED
    assert backend.rows() == rows


def test_a_writer_whose_first_lease_was_adopted_before_it_knew_of_it_begins_anew(tmp_path: Path) -> None:
    """Its making was answered with an error, and the next attempt comes only after the time of a lease."""
    time = ManualClock(NOW_NS)
    node = WalNode(tmp_path, time)
    wal = ObjectWal(node.objects, OPTIONS, node.clock)
    fenced: list[str] = []
    wal.on_fenced = lambda: fenced.append(wal.writer_id)
    node.objects.calls_left, node.objects.is_carried_out = 0, True
    with pytest.raises(Unavailable):
        wal.register()
    node.adopt_silent()
    wal.register()
    assert fenced == [wal.writer_id]
    with pytest.raises(Unavailable, match="taken this one for dead"):
        wal.append("t", 0, NOW_NS, b"")
    wal.close()
