"""Time spans: from a start up to, but without, an end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """The half-open span `[start_ns, end_ns)` in nanoseconds since the epoch; empty where the end is not later."""

    start_ns: int
    end_ns: int

    @property
    def is_empty(self) -> bool:
        return self.end_ns <= self.start_ns

    @property
    def length_ns(self) -> int:
        return max(0, self.end_ns - self.start_ns)

    def contains(self, ts_ns: int) -> bool:
        return self.start_ns <= ts_ns < self.end_ns

    def overlaps(self, other: TimeSpan) -> bool:
        return max(self.start_ns, other.start_ns) < min(self.end_ns, other.end_ns)

    def intersection(self, other: TimeSpan) -> TimeSpan:
        """The common part; empty (with its end at its start) where there is none."""
        start_ns = max(self.start_ns, other.start_ns)
        return TimeSpan(start_ns, max(start_ns, min(self.end_ns, other.end_ns)))
