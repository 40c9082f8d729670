"""What a reader of one file gives at a time, and how long a line may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lodur.agent.positions import Cursor

LINE_BYTES_MAX = 2_000_000
"""A longer line is cut here and the cut is counted: a file without newlines must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, or none when only the cursor moves."""

    data: bytes
    lines: int
    is_final: bool
    """The last line is complete although no newline ends it."""
    cursor: Cursor
    """The place behind `data`."""
    cut_bytes: int = 0
    """Bytes of an overlong line that were dropped."""


class Reader(Protocol):
    """Reads one path. Plain and blocking; called from one thread at a time."""

    path: str

    def poll(self) -> Block | None:
        """The next lines, or None when there are none now."""
        ...

    def is_finished(self) -> bool:
        """Nothing will come from this reader any more."""
        ...

    def size_bytes(self) -> int:
        """Size of the file that is being read; 0 when there is none."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
