"""What the object WAL must be told. Values only; durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from lodur.model.limits import GIB, MIB


@dataclass(frozen=True, slots=True)
class ObjectWalOptions:
    """How often the log is written, followed and looked after."""

    interval_s: float = 0.25
    """At most one group of pushes is begun in so long."""
    group_bytes: int = 8 * MIB
    """A group that has so many bytes is sent at once."""
    follow_interval_s: float = 0.5
    """How often readers look for new objects of each writer."""
    follow_max_bytes: int = 4 * GIB
    """Raw bytes of other writers' rows that a reader holds; beyond it queries are refused."""
    lease_s: float = 30.0
    """A writer that says nothing for so long is taken for dead."""
