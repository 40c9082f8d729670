"""What a query cost: counted by the scans, summed over all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from lodur.kernels.scan import ScanStats


@dataclass(frozen=True, slots=True)
class ScanCounts:
    """What scans looked at. Bytes are of lines, uncompressed unless the name says stored."""

    lines: int = 0
    bytes: int = 0
    stored_bytes: int = 0
    lines_kept: int = 0
    head_lines: int = 0
    head_bytes: int = 0
    segments: int = 0
    blocks: int = 0
    blocks_skipped: int = 0
    blocks_read: int = 0
    streams: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """The cost of one query. Times are seconds: waiting for its turn, and running."""

    counts: ScanCounts
    queue_s: float
    execution_s: float
    scans: int
    entries: int = 0
    """Entries (not samples) in the answer."""


def total_counts(parts: Iterable[ScanStats]) -> ScanCounts:
    """The sum over scans."""
    parts = list(parts)
    return ScanCounts(*(sum(getattr(part, field.name) for part in parts) for field in fields(ScanCounts)))
