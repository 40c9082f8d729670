"""What the compactor must be told. Values only; durations are nanoseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE
from lodur.model.limits import GIB
from lodur.model.matcher import Matcher


@dataclass(frozen=True, slots=True)
class CompactionPolicy:
    """Which segments are merged, and how they are compressed then."""

    target_bytes: int = 1 * GIB
    """Raw bytes of lines that make a segment large enough."""
    settled_after_ns: int = 2 * NS_PER_HOUR
    """How long after its end a day is taken for complete but for stragglers, so that its small segments are merged."""
    cold_after_ns: int = 24 * NS_PER_HOUR
    """How long after its end a day's segments are compressed for good where no merge has done so."""
    zstd_level: int = 1
    """Of what is likely to be merged again. As it is set up here, 1 leaves fewer bytes than 3 does."""
    cold_zstd_level: int = 6
    """Of segments for good; 0 leaves them as they are."""


@dataclass(frozen=True, slots=True)
class StreamRetention:
    """How long entries of some streams are kept."""

    matchers: tuple[Matcher, ...]
    priority: int
    """The highest of those that match a stream wins."""
    period_ns: int


@dataclass(frozen=True, slots=True)
class RetentionPeriods:
    """How long a tenant's entries are kept; 0 means for ever."""

    period_ns: int = 0
    streams: tuple[StreamRetention, ...] = ()


@dataclass(frozen=True, slots=True)
class CompactorOptions:
    """When the compactor runs, and what it does then."""

    interval_ns: int = 10 * NS_PER_MINUTE
    retention_interval_ns: int = 0
    """Between looks for what has expired; 0: at each run."""
    parallelism: int = 1
    """Days worked on at the same time."""
    retention_enabled: bool = False
    retention_delete_delay_ns: int = 2 * NS_PER_HOUR
    """How long the objects of expired segments stay."""
    delete_cancel_period_ns: int = 24 * NS_PER_HOUR
    """How long delete requests wait before they are carried out, which they are only where retention is enabled."""
    reader_grace_ns: int = 15 * NS_PER_MINUTE
    """How long the objects of merged segments stay for queries that read them: longer than any query may take."""
    policy: CompactionPolicy = field(default_factory=CompactionPolicy)


KEEP_ALL = RetentionPeriods()


def by_precedence(streams: Sequence[StreamRetention]) -> list[StreamRetention]:
    """The periods of streams in the order in which they are asked; equal priorities as they were written."""
    return sorted(streams, key=lambda stream: -stream.priority)
