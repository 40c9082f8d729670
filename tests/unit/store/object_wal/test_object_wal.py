"""The object WAL step by step: groups, answers, signs of life, followers, adoption; and what goes wrong in between."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lodur.ingest.store_adopting import DONE_KEPT_NS, READERS_GRACE_S
from lodur.model.clock import ManualClock
from lodur.model.errors import Unavailable
from lodur.store.days import NS_PER_DAY
from lodur.store.object_wal.groups import IN_FLIGHT_MAX, STALLED_S
from lodur.store.object_wal.lease import LeaseState, read_lease
from lodur.store.object_wal.names import lease_path, object_path
from lodur.store.object_wal.reading import listed_numbers
from lodur.store.object_wal.writing import TRIM_GRACE_S
from tests.servers.process import wait_until
from tests.wal_node import OPTIONS, Row, WalNode

NOW_NS = 20_000 * NS_PER_DAY + NS_PER_DAY // 2
LEASE_S = OPTIONS.lease_s
INTERVAL_S = OPTIONS.interval_s * 1.1


@pytest.fixture
def time() -> ManualClock:
    return ManualClock(NOW_NS)


@pytest.fixture
def writer(tmp_path: Path, time: ManualClock) -> WalNode:
    return WalNode(tmp_path, time)


@pytest.fixture
def reader(tmp_path: Path, time: ManualClock, writer: WalNode) -> WalNode:
    return WalNode(tmp_path, time, skew_s=5000.0)


def rows_of(number: int, count: int = 1, tenant: str = "t", day: int = 0) -> list[Row]:
    return [
        (tenant, f"app{number % 3}", NOW_NS + day * NS_PER_DAY + number * 10 + place, f"line {number}.{place}")
        for place in range(count)
    ]


def pushed(node: WalNode, *numbers: int, day: int = 0) -> list[Row]:
    """Push and acknowledge."""
    return node.acknowledged(*(rows_of(number, 2, "tu"[number % 2], day) for number in numbers))


def follow(node: WalNode) -> list[Row]:
    node.time.advance(2.5)
    node.follower.poll()
    return node.rows()


def state_of(node: WalNode, other: WalNode) -> LeaseState | None:
    found = read_lease(node.objects, other.wal.writer_id)
    return found.lease.state if found else None


def test_pushes_of_an_interval_are_one_object_and_are_answered_when_it_is_there(writer: WalNode) -> None:
    first = writer.push(rows_of(1))
    assert writer.take_group()
    writer.send()
    assert first.is_acknowledged
    pushes = [writer.push(rows_of(number)) for number in (2, 3)]
    assert not writer.take_group()
    writer.time.advance(INTERVAL_S)
    assert writer.take_group()
    assert not any(push.is_answered() for push in pushes)
    writer.send()
    assert all(push.is_acknowledged for push in pushes)
    assert listed_numbers(writer.objects, writer.wal.writer_id) == [1, 2]
    assert writer.rows() == sorted(rows_of(1) + rows_of(2) + rows_of(3))


def test_a_full_group_does_not_wait(writer: WalNode) -> None:
    writer.push(rows_of(1))
    assert writer.take_group()
    writer.push(rows_of(2, 400))
    writer.push(rows_of(3, 400))
    assert writer.take_group()
    writer.send()
    writer.send()
    assert listed_numbers(writer.objects, writer.wal.writer_id) == [1, 2]


def test_groups_are_answered_in_their_order(writer: WalNode) -> None:
    pushes = []
    for number in range(IN_FLIGHT_MAX):
        pushes.append(writer.push(rows_of(number)))
        writer.time.advance(INTERVAL_S)
        assert writer.take_group()
    writer.push(rows_of(IN_FLIGHT_MAX))
    writer.time.advance(INTERVAL_S)
    assert not writer.take_group()
    for _ in range(IN_FLIGHT_MAX - 1):
        writer.send(1)
    assert not any(push.is_answered() for push in pushes)
    writer.send()
    assert all(push.is_acknowledged for push in pushes)


@pytest.mark.parametrize("is_carried_out", [False, True])
def test_an_object_whose_writing_failed_is_written_again(writer: WalNode, is_carried_out: bool) -> None:
    push = writer.push(rows_of(1))
    writer.take_group()
    writer.objects.calls_left, writer.objects.is_carried_out = 0, is_carried_out
    with pytest.raises(Unavailable):
        writer.send()
    assert not push.is_answered()
    writer.send()
    assert push.is_acknowledged
    assert listed_numbers(writer.objects, writer.wal.writer_id) == [1]


def test_pushes_are_refused_while_the_store_does_not_keep_up(writer: WalNode) -> None:
    waiting = writer.push(rows_of(1))
    writer.take_group()
    writer.time.advance(STALLED_S)
    refused = writer.push(rows_of(2))
    assert refused.is_answered()
    assert not refused.is_acknowledged
    writer.beat()
    writer.send()
    assert waiting.is_acknowledged
    assert not writer.push(rows_of(2)).is_answered()


def test_nothing_is_answered_without_signs_of_life(writer: WalNode) -> None:
    writer.time.advance(LEASE_S * 0.7)
    push = writer.push(rows_of(1))
    writer.take_group()
    writer.send()
    assert not push.is_answered()
    writer.beat()
    assert push.is_acknowledged


@pytest.mark.parametrize("is_carried_out", [False, True])
def test_a_sign_of_life_whose_answer_was_lost_costs_nothing(writer: WalNode, is_carried_out: bool) -> None:
    writer.objects.calls_left, writer.objects.is_carried_out = 0, is_carried_out
    with pytest.raises(Unavailable):
        writer.beat()
    writer.beat()
    writer.beat()
    assert not writer.wal.is_fenced()


def test_a_reader_sees_rows_once_before_and_after_their_flush(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1, 2, 3)
    assert follow(reader) == sorted(rows)
    assert reader.shown_rows == len(rows)
    rows += pushed(writer, 4, day=-1)
    writer.flush()
    # Segments and rows of the log are both there now; the reader knows of the rows alone.
    assert reader.rows() == sorted(rows[:6])
    rows += pushed(writer, 5)
    assert follow(reader) == sorted(rows)
    assert sum(meta.rows for tenant in reader.store.tenants() for meta in tenant.live()) == 8
    assert reader.shown_rows == len(rows)


def test_rows_that_came_during_a_flush_stay(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1, 2)
    writer.begin_flush()
    rows += pushed(writer, 3, 4)
    assert follow(reader) == sorted(rows)
    writer.finish_flush()
    writer.send_all()
    assert follow(reader) == sorted(rows)
    assert sum(meta.rows for tenant in reader.store.tenants() for meta in tenant.live()) == 4


def test_a_manifest_may_be_read_before_the_objects_that_it_covers(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1, 2)
    writer.flush()
    reader.store.discover(all_days=True)
    assert reader.rows() == sorted(rows)
    assert follow(reader) == sorted(rows)


def test_flushed_objects_are_deleted_after_a_while_but_for_the_last(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1)
    rows += pushed(writer, 2)
    assert follow(reader) == sorted(rows)
    writer.flush()
    writer.send_all()
    before = listed_numbers(writer.objects, writer.wal.writer_id)
    writer.beat()
    assert listed_numbers(writer.objects, writer.wal.writer_id) == before
    writer.time.advance(TRIM_GRACE_S)
    writer.beat()
    assert listed_numbers(writer.objects, writer.wal.writer_id) == before[-1:]
    rows += pushed(writer, 3)
    assert follow(reader) == sorted(rows)


def test_a_reader_that_stood_still_finds_its_way(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1)
    assert follow(reader) == sorted(rows)
    for number in range(2, 6):
        rows += pushed(writer, number)
        writer.flush()
        writer.time.advance(TRIM_GRACE_S)
        writer.beat()
    writer.beat()
    rows += pushed(writer, 7)
    assert follow(reader) == sorted(rows)


def test_a_new_reader_sees_flushed_and_unflushed_rows(tmp_path: Path, writer: WalNode, time: ManualClock) -> None:
    rows = pushed(writer, 1, 2)
    writer.flush()
    rows += pushed(writer, 3, 4)
    fresh = WalNode(tmp_path, time)
    assert fresh.rows() == sorted(rows)


def test_the_log_of_a_dead_writer_is_adopted(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1, 2, 3, 4, 5) + pushed(writer, 6, day=-1)
    unsent = writer.push(rows_of(9))
    writer.die()
    assert not unsent.is_acknowledged
    reader.adopter.poll()
    reader.time.advance(LEASE_S - 1)
    reader.adopter.poll()
    assert state_of(reader, writer) is LeaseState.LIVE
    reader.beat()
    reader.time.advance(2)
    reader.adopter.poll()
    assert state_of(reader, writer) is LeaseState.ADOPTED
    assert reader.rows() == sorted(rows)
    assert follow(reader) == sorted(rows)
    assert reader.store.foreign_bytes() == 0
    reader.time.advance(READERS_GRACE_S)
    reader.adopter.poll()
    reader.time.advance(READERS_GRACE_S)
    reader.adopter.poll()
    assert state_of(reader, writer) is LeaseState.DONE
    assert len(listed_numbers(reader.objects, writer.wal.writer_id)) == 1
    assert follow(reader) == sorted(rows)
    reader.time.advance(DONE_KEPT_NS / 1e9)
    reader.adopter.poll()
    assert state_of(reader, writer) is None
    assert listed_numbers(reader.objects, writer.wal.writer_id) == []
    assert follow(reader) == sorted(rows)


def test_a_closed_log_is_adopted_at_once(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1, 2)
    writer.wal.close()
    reader.adopter.poll()
    assert state_of(reader, writer) is LeaseState.ADOPTED
    assert reader.rows() == sorted(rows)


def test_a_writer_that_was_frozen_acknowledges_nothing_more(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1, 2)
    late = writer.push(rows_of(3))
    writer.time.advance(INTERVAL_S)
    writer.take_group()
    writer.clock.freeze()
    reader.adopt_silent()
    assert reader.rows() == sorted(rows)
    writer.clock.thaw()
    # By its own clock its lease is fresh; only the object at its next number tells.
    writer.send()
    assert writer.wal.is_fenced()
    assert late.is_answered()
    assert not late.is_acknowledged
    assert writer.push(rows_of(4)).is_answered()
    assert follow(reader) == sorted(rows)
    writer.follower.poll()
    assert writer.rows() == sorted(rows)


def test_a_fenced_writer_that_flushes_brings_nothing_twice(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1, 2)
    reader.adopt_silent()
    for tenant_store in writer.store.tenants():
        tenant_store.freeze()
        for generation in tenant_store.unflushed():
            writer.store.writer.flush(tenant_store, generation, {})
    assert follow(reader) == sorted(rows)
    fresh = WalNode(writer.directory, writer.time)
    assert fresh.rows() == sorted(rows)


def test_a_writer_that_wakes_up_within_its_flush_while_it_is_adopted_brings_nothing_twice(
    writer: WalNode, reader: WalNode
) -> None:
    rows = pushed(writer, 2)
    writer.freeze(writer.flush, calls=0, path="/manifest/")
    assert writer.objects.stands_still.is_set()
    reader.adopter.poll()
    reader.beat()
    reader.time.advance(LEASE_S)
    # It has read the manifest, and its segment is there; only the commit is missing.
    reader.freeze(reader.adopter.poll, calls=1, path="/manifest/")
    assert reader.objects.stands_still.is_set()
    writer.thaw()
    reader.thaw()
    assert state_of(reader, writer) is LeaseState.ADOPTING
    assert follow(reader) == sorted(rows)
    reader.adopter.poll()
    assert state_of(reader, writer) is LeaseState.ADOPTED
    assert follow(reader) == sorted(rows)


def test_objects_behind_a_gap_are_not_in_the_log(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1)
    lost = []
    for number in (2, 3):
        lost.append(writer.push(rows_of(number)))
        writer.time.advance(INTERVAL_S)
        writer.take_group()
    writer.send(1)
    assert listed_numbers(writer.objects, writer.wal.writer_id) == [1, 3]
    assert not any(push.is_answered() for push in lost)
    assert follow(reader) == sorted(rows)
    writer.die()
    reader.adopt_silent()
    assert follow(reader) == sorted(rows)


def test_an_adoption_that_was_cut_off_is_begun_anew_by_another(
    tmp_path: Path, writer: WalNode, reader: WalNode
) -> None:
    rows = pushed(writer, *range(1, 9))
    writer.die()
    other = WalNode(tmp_path, reader.time, skew_s=-77.0)
    for calls in range(3, 60, 4):
        reader.objects.calls_left, reader.objects.is_carried_out = calls, bool(calls % 8 == 3)
        with suppress(Unavailable):
            reader.adopt_silent()
        reader.objects.calls_left = None
        if state_of(reader, writer) is LeaseState.ADOPTED:
            break
        assert follow(reader) == sorted(rows)
    other.adopt_silent()
    assert state_of(reader, writer) is LeaseState.ADOPTED
    assert follow(reader) == sorted(rows)
    assert follow(other) == sorted(rows)


def test_a_damaged_object_costs_its_records_and_is_kept(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1)
    lost = pushed(writer, 2)
    rows += pushed(writer, 3)
    path = writer.directory / object_path(writer.wal.writer_id, 2)
    path.write_bytes(path.read_bytes()[:-5] + b"wrong")
    writer.die()
    assert follow(reader) == sorted(rows)
    reader.adopt_silent()
    reader.time.advance(READERS_GRACE_S)
    reader.adopter.poll()
    reader.time.advance(READERS_GRACE_S)
    reader.adopter.poll()
    assert state_of(reader, writer) is LeaseState.DONE
    assert 2 in listed_numbers(reader.objects, writer.wal.writer_id)
    assert follow(reader) == sorted(rows)
    assert not set(lost) & set(reader.rows())


def lease_file(node: WalNode) -> Path:
    return node.directory / lease_path(node.wal.writer_id)


def test_any_flipped_bit_of_a_lease_is_undone(writer: WalNode, reader: WalNode) -> None:
    pushed(writer, 1)
    writer.beat()
    known = read_lease(reader.objects, writer.wal.writer_id)
    assert known is not None
    whole = lease_file(writer).read_bytes()
    for place in range(0, 8 * len(whole), 11):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        lease_file(writer).write_bytes(data)
        found = read_lease(reader.objects, writer.wal.writer_id)
        assert found is not None
        assert found.lease == known.lease, place
    aside = {kept.read_bytes() for kept in (writer.directory / "wal" / "damaged").iterdir()}
    assert bytes(data) in aside
    # The writer knows its own still, and its next sign of life is whole.
    writer.beat()
    writer.beat()
    rows = pushed(writer, 2)
    assert not writer.wal.is_fenced()
    assert set(rows) <= set(follow(reader))


@pytest.mark.parametrize("is_adopted", [False, True])
def test_the_log_of_a_lease_of_which_nothing_is_whole_is_adopted_once(
    writer: WalNode, reader: WalNode, is_adopted: bool
) -> None:
    rows = pushed(writer, 1, 2, 3)
    writer.flush()
    rows += pushed(writer, 4, 5)
    writer.time.advance(TRIM_GRACE_S)
    writer.beat()
    other = pushed(reader, 7)
    writer.die()
    if is_adopted:
        reader.adopt_silent()
    lease_file(writer).write_bytes(b"{")
    assert follow(reader) == sorted(rows + other)
    reader.adopter.poll()
    assert reader.rows() == sorted(rows + other)
    reader.adopt_silent()
    assert state_of(reader, writer) is LeaseState.ADOPTED
    assert follow(reader) == sorted(rows + other)


def test_a_damaged_manifest_does_not_keep_a_log_from_being_adopted(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 2)
    writer.flush()
    rows += pushed(writer, 4)
    (manifest,) = (writer.directory / "t" / "manifest").glob("*.json")
    data = bytearray(manifest.read_bytes())
    data[len(data) // 2] ^= 1
    manifest.write_bytes(data)
    writer.die()
    reader.adopt_silent()
    assert state_of(reader, writer) is LeaseState.ADOPTED
    assert follow(reader) == sorted(rows)
    assert WalNode(writer.directory, writer.time).rows() == sorted(rows)


def test_a_writer_whose_lease_is_lost_to_damage_acknowledges_nothing_more(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1)
    lease_file(writer).write_bytes(b"{")
    writer.beat()
    assert writer.wal.is_fenced()
    assert follow(reader) == sorted(rows)


def test_an_object_with_a_record_that_cannot_be_read_is_kept(writer: WalNode, reader: WalNode) -> None:
    rows = pushed(writer, 1)
    unknown_kind = 0xEE
    later = threading.Thread(target=writer.wal.append, args=("t", unknown_kind, 0, b"from a later build"))
    later.start()
    wait_until(lambda: writer.wal.waiting()[0] > 0, deadline_s=10.0, what="the append")
    writer.send_all()
    later.join()
    rows += pushed(writer, 3)
    writer.die()
    reader.adopt_silent()
    for _ in range(2):
        reader.time.advance(READERS_GRACE_S)
        reader.adopter.poll()
    assert state_of(reader, writer) is LeaseState.DONE
    assert 2 in listed_numbers(reader.objects, writer.wal.writer_id)
    assert follow(reader) == sorted(rows)


def test_a_reader_refuses_queries_rather_than_to_leave_rows_out(
    tmp_path: Path, time: ManualClock, writer: WalNode
) -> None:
    small = WalNode(tmp_path, time, options=replace(OPTIONS, follow_max_bytes=50))
    pushed(writer, 1, 2, 3, 4, 5, 6)
    time.advance(2.0)
    small.follower.poll()
    with pytest.raises(Unavailable, match="follow_max_bytes"):
        small.rows()
    writer.flush()
    writer.send_all()
    time.advance(2.0)
    small.follower.poll()
    assert len(small.rows()) == 12
