"""What the writer must be told: where its WAL lies and when the head becomes segments.

Values only; durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lodur.model.limits import GIB, MIB
from lodur.store.object_wal.options import ObjectWalOptions
from lodur.store.options import FlushOptions


@dataclass(frozen=True, slots=True)
class WalOptions:
    """The list of accepted pushes on the local disk."""

    directory: Path
    enabled: bool = True
    """Without a WAL an accepted push is lost when the process dies before the next flush."""
    disk_full_ratio: float = 0.9
    """Pushes are refused when the WAL's disk is fuller than this (0 to 1)."""
    replay_max_bytes: int = 4 * GIB
    """Rows in memory at which replay flushes before it reads on."""


@dataclass(frozen=True, slots=True)
class IngesterOptions:
    """When rows leave memory and how they are written."""

    wal: WalOptions
    object_wal: ObjectWalOptions | None = None
    """The log is in the object store, not on the local disk."""
    segments: FlushOptions = field(default_factory=FlushOptions)
    flush_idle_s: float = 1800.0
    """A head that got nothing for so long is flushed."""
    flush_age_s: float = 7200.0
    """A head whose first row came so long ago is flushed."""
    flush_bytes: int = 256 * MIB
    """Raw bytes of one tenant's head that make it a segment."""
    flush_check_period_s: float = 30.0
    flush_timeout_s: float = 600.0
    """One attempt to write a segment is given up after this and made again."""
    concurrent_flushes: int = 32
    flush_on_shutdown: bool = False
    head_max_bytes: int = 1 * GIB
    """Raw bytes in all heads together at which pushes are answered with 503 until a flush made room."""
    returned_stream_errors_max: int = 10
    """Entries of a stream over its rate that an answer lists; 0 = all."""
