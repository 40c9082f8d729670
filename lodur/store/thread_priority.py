"""Threads whose work can wait let others of the process go first. Start at `step_back`."""

from __future__ import annotations

import os
import threading
from contextlib import suppress


def step_back(niceness: int) -> None:
    """Let other threads of the machine go before this one; where that may not be said, all are equal.

    A server that was started with more niceness keeps it.
    """
    with suppress(OSError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(niceness, os.getpriority(os.PRIO_PROCESS, thread)))
