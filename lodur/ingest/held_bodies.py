"""How many bytes of pushes are in memory at a time: being read, waiting, or being worked on.

Belongs to the event loop. Start at `HeldBodies.one`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lodur.model.errors import Unavailable

BUSY_RETRY_S = 1.0


class HeldBody:
    """One body, as far as it has come."""

    def __init__(self, held: HeldBodies) -> None:
        self._held = held
        self.size_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """More of it has come. Raises Unavailable where that is too much beside others; alone it may be any size."""
        held = self._held
        has_others = held.size_bytes > self.size_bytes
        if has_others and held.size_bytes + size_bytes > held.max_bytes:
            raise Unavailable("too many pushes at once, try again later", retry_after_s=BUSY_RETRY_S)
        self.size_bytes += size_bytes
        held.size_bytes += size_bytes


class HeldBodies:
    """All bodies together."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size_bytes = 0

    @contextmanager
    def one(self) -> Iterator[HeldBody]:
        """Around the reading of a body and all that is done with it."""
        body = HeldBody(self)
        try:
            yield body
        finally:
            self.size_bytes -= body.size_bytes
