"""The times at which a metric query is evaluated."""

from __future__ import annotations

from dataclasses import dataclass

from lodur.model.durations import NS_PER_MS


@dataclass(frozen=True, slots=True)
class Steps:
    """`count` times (one at least), `step_ns` apart, from `start_ns` on."""

    start_ns: int
    step_ns: int
    count: int

    def times_ms(self) -> list[int]:
        return [(self.start_ns + k * self.step_ns) // NS_PER_MS for k in range(self.count)]

    @property
    def end_ns(self) -> int:
        """The last of the times."""
        return self.start_ns + (self.count - 1) * self.step_ns


def aligned_steps(start_ns: int, end_ns: int, step_ns: int) -> Steps:
    """The multiples of `step_ns` since the epoch: from the one at or before the start to that at or after the end."""
    first, last = start_ns // step_ns, -(-end_ns // step_ns)
    return Steps(first * step_ns, step_ns, last - first + 1)


def steps_from(start_ns: int, end_ns: int, step_ns: int) -> Steps:
    """The start and what follows it up to the end."""
    return Steps(start_ns, step_ns, (end_ns - start_ns) // step_ns + 1)


def one_step(time_ns: int) -> Steps:
    """A single time."""
    return Steps(time_ns, 1, 1)
