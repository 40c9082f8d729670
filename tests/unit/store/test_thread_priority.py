"""A thread that steps back does so alone, and never forward."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from lodur.store.thread_priority import step_back


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def stepped(*steps: int) -> int:
    for step in steps:
        step_back(step)
    return niceness()


def test_one_thread_steps_back_and_the_others_stay() -> None:
    before = niceness()
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(stepped, 18).result() == max(before, 18)
    assert niceness() == before


def test_who_is_farther_back_stays_there() -> None:
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(stepped, 19, 5).result() == 19
