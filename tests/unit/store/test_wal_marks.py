"""What keeps the WAL from being trimmed too far, and the gate that makes a freeze exact."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from lodur.model.tenant import TenantId
from lodur.store.append_gate import AppendGate
from lodur.store.wal_marks import WalMarks

A, B = TenantId("a"), TenantId("b")


def appended(marks: WalMarks, tenant: TenantId, seq: int) -> None:
    with marks.appending(tenant):
        marks.appended(tenant, seq)


def test_without_rows_everything_may_go() -> None:
    assert WalMarks().floor() == 0


def test_the_tenant_that_flushed_least_decides() -> None:
    marks = WalMarks()
    appended(marks, A, 1)
    appended(marks, B, 2)
    appended(marks, A, 3)
    assert marks.floor() == 0
    marks.flushed(A, 3)
    assert marks.floor() == 1
    marks.flushed(B, 2)
    assert marks.floor() == 3


def test_what_came_after_the_freeze_stays() -> None:
    marks = WalMarks()
    appended(marks, A, 1)
    appended(marks, A, 2)
    marks.flushed(A, 1)
    assert marks.floor() == 1


def test_an_append_under_way_holds_back_what_others_release() -> None:
    marks = WalMarks()
    appended(marks, A, 1)
    with marks.appending(B):
        appended(marks, A, 3)
        marks.flushed(A, 3)
        # B's record may be 2: on disk, not yet in the head.
        assert marks.floor() == 1
        marks.appended(B, 2)
    assert marks.floor() == 1
    marks.flushed(B, 2)
    assert marks.floor() == 3


def test_a_failed_append_is_settled_by_a_flush_of_nothing() -> None:
    marks = WalMarks()
    appended(marks, A, 5)
    marks.flushed(A, 5)
    with marks.appending(A):
        pass
    assert marks.has(A)
    marks.flushed(A, marks.last_seq(A))
    assert not marks.has(A)


def test_a_flush_during_an_append_keeps_the_mark() -> None:
    marks = WalMarks()
    appended(marks, A, 5)
    with marks.appending(A):
        marks.flushed(A, 5)
        assert marks.has(A)
        assert marks.floor() == 5
        marks.appended(A, 6)
    assert marks.floor() == 5


def test_a_freeze_sees_every_numbered_append_finished() -> None:
    """Numbers given before a freeze are in the set that it takes; none is taken twice, none is missed."""
    gate, lock = AppendGate(), threading.Lock()
    numbers = iter(range(1, 1_000_000))
    active: set[int] = set()
    frozen: list[tuple[int, set[int]]] = []
    last = 0
    stop = threading.Event()

    def append() -> None:
        nonlocal last
        while not stop.is_set():
            with gate.append():
                with lock:
                    number = next(numbers)
                # The place where a real append waits for its sync.
                with lock:
                    last = max(last, number)
                    active.add(number)

    def freeze() -> None:
        nonlocal active
        for _ in range(200):
            with gate.freeze():
                frozen.append((last, active))
                active = set()
        stop.set()

    with ThreadPoolExecutor(5) as pool:
        jobs = [pool.submit(append) for _ in range(4)]
        jobs.append(pool.submit(freeze))
        for job in jobs:
            job.result()
    seen: set[int] = set()
    for up_to, numbers_frozen in frozen:
        assert not seen & numbers_frozen
        seen |= numbers_frozen
        assert seen == set(range(1, up_to + 1))
