"""Where accepted pushes are kept until they are in a segment: the WAL on the disk, or nowhere."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Protocol

from lodur.kernels.wal import Wal, WalOptions, WalProblem, WalRecord, WalStats

__all__ = ["NOTICE", "REENCODED", "Journal", "NoJournal", "Wal", "WalOptions", "WalProblem", "WalRecord", "WalStats"]

REENCODED = 0
"""Kind of a record whose payload Lodur encoded itself; all other kinds are the business of who appends them."""

NOTICE = 1
"""Kind of a record without rows: manifests of its tenant were committed, of the days that its payload lists."""


class Journal(Protocol):
    """Gives each accepted push a number, higher than any before; `Wal` is the one that keeps them."""

    @property
    def writer_id(self) -> str: ...

    def append(self, tenant: str, kind: int, accepted_at_ns: int, payload: bytes) -> int: ...

    def replay(self) -> Iterator[list[WalRecord]]: ...

    def replay_bytes(self) -> int:
        """About how many bytes `replay` reads; asked before it."""
        ...

    def problems(self) -> list[WalProblem]: ...

    def trim(self, up_to_seq: int) -> int: ...

    def check_room(self) -> None:
        """Raise Unavailable where an append would only wait for what is stuck."""

    def committed(self, tenant: str, days: Sequence[int]) -> None:
        """Tell who else reads the log that manifests of these days were committed."""

    def close(self) -> None: ...


class NoJournal:
    """Numbers only: what is not flushed dies with the process."""

    def __init__(self) -> None:
        self.writer_id = str(uuid.uuid4())
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def append(self, tenant: str, kind: int, accepted_at_ns: int, payload: bytes) -> int:
        with self._lock:
            return next(self._numbers)

    def replay(self) -> Iterator[list[WalRecord]]:
        return iter(())

    def replay_bytes(self) -> int:
        return 0

    def problems(self) -> list[WalProblem]:
        return []

    def trim(self, up_to_seq: int) -> int:
        return 0

    def check_room(self) -> None:
        """There is room."""

    def committed(self, tenant: str, days: Sequence[int]) -> None:
        """There is nobody to tell."""

    def close(self) -> None:
        """There is nothing to close."""
