"""Threads that leave the processor to others: for work of those who have had much of it already."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

NICENESS = 19
"""The most that there is: such a thread gets a seventieth of what others get, and all where nobody else wants any."""


def yielding_pool(workers: int, name: str) -> ThreadPoolExecutor:
    """A pool of such threads; threads that they start are of the same kind."""
    return ThreadPoolExecutor(workers, name, initializer=_yield_to_others)


def _yield_to_others() -> None:
    # Only Linux has priorities of threads. Where it forbids to lower one, the work is done all the same.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
