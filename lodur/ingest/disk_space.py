"""Whether the WAL's disk has room: looked up now and then, for a look costs more than a push should."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from lodur.model.clock import Clock
from lodur.model.errors import Unavailable

LOOK_EVERY_S = 1.0
"""A disk fills by some hundred megabytes in this time."""


class DiskSpace:
    """Any thread may ask."""

    def __init__(self, directory: Path, *, full_ratio: float, clock: Clock) -> None:
        self._directory = directory
        self._full_ratio = full_ratio
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at_s = float("-inf")
        self._is_full = False

    def is_full(self) -> bool:
        """More of the disk is in use than the ratio allows, as far as others than root are concerned.

        Raises as `used_ratio`.
        """
        now_s = self._clock.monotonic_s()
        with self._lock:
            if now_s - self._looked_at_s >= LOOK_EVERY_S:
                self._is_full = self.used_ratio() > self._full_ratio
                self._looked_at_s = now_s
            return self._is_full

    def used_ratio(self) -> float:
        """How much of the disk is in use, as far as others than root are concerned.

        Raises Unavailable where the directory is gone or cannot be looked at: what is written to its files then is lost
        with them.
        """
        try:
            found = os.statvfs(self._directory)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Unavailable(f"the write-ahead log's directory {self._directory} cannot be used: {reason}") from error
        used = found.f_blocks - found.f_bfree
        usable = used + found.f_bavail
        return used / usable if usable else 0.0
