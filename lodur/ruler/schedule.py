"""When groups are evaluated: at multiples of their interval, each shifted so that the work is spread."""

from __future__ import annotations

from lodur.model.durations import NS_PER_MS
from lodur.ruler.groups import GroupId


def offset_ns(group: GroupId, interval_ns: int) -> int:
    """By how much the times of a group are shifted; the same in every process."""
    shift_ns = int.from_bytes(group.fingerprint()[:8], "big") % interval_ns
    # Samples have times of whole milliseconds.
    return shift_ns - shift_ns % NS_PER_MS


def next_turn_ns(group: GroupId, interval_ns: int, now_ns: int) -> int:
    """The first time after now at which the group is due."""
    shift_ns = offset_ns(group, interval_ns)
    return ((now_ns - shift_ns) // interval_ns + 1) * interval_ns + shift_ns


def missed_turns(last_ns: int, next_ns: int, interval_ns: int) -> int:
    """How many times were passed over between two turns."""
    return max(0, (next_ns - last_ns) // interval_ns - 1)
