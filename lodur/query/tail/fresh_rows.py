"""Rows of one tenant that were kept since the last look: filled by pushes, taken by the tails.

They are a second head beside the one that queries read: pushes go into it as they were decoded, and a scan of it is a
scan of nothing else.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from lodur.kernels.head import Head, HeadView
from lodur.kernels.push_decode import DecodedPush

HELD_BYTES_MAX = 64 << 20
"""Of rows that no tail has seen yet: some seconds of what a machine takes in. What comes beyond is told as dropped."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that came between two looks."""

    number: int
    view: HeadView
    lost_rows: int
    """Rows that came too, and were too many to hold."""


class FreshRows:
    """Methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._head = Head()
        self._bytes = 0
        self._lost_rows = 0
        self._is_empty = True
        self._number = 0

    def add(self, push: DecodedPush) -> bool:
        """Hold the rows of a push; whether they are the first since the last look."""
        with self._lock:
            was_empty = self._is_empty
            self._is_empty = False
            if self._bytes + push.accepted_bytes > HELD_BYTES_MAX:
                self._lost_rows += push.accepted_lines
            else:
                self._bytes += push.accepted_bytes
                self._head.insert(push)
            return was_empty

    def take(self) -> Batch | None:
        """What came since the last look, if anything did."""
        with self._lock:
            if self._is_empty:
                return None
            batch = Batch(self._number, self._head.snapshot(), self._lost_rows)
            self._head = Head()
            self._bytes = self._lost_rows = 0
            self._is_empty = True
            self._number += 1
            return batch

    def next_number(self) -> int:
        """The number of the next batch; those before have been taken."""
        with self._lock:
            return self._number
