"""CPU time and memory of a running process, and time that the machine was without its processors, as Linux tells it.

A process here is a process with all its children; a child that ended is not counted any more.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")

SCHEDULER_CLOCK = 2
"""The clock of a process that counts the nanoseconds its threads ran, user and system, ended threads included."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory."""

    now_bytes: int
    peak_bytes: int


def cpu_s(pid: int) -> float:
    """User and system time of a process and its children so far. The tick of /proc/PID/stat, 10 ms, is too coarse."""
    return sum(time.clock_gettime(cpu_clock(member)) for member in _family(pid))


def cpu_clock(pid: int) -> int:
    """The id of a process's CPU clock, as clock_getcpuclockid(3) makes it."""
    return (~pid << 3) | SCHEDULER_CLOCK


def stolen_s() -> float:
    """Since the machine's start, of all processors together: when its host gave them to others."""
    return parse_stolen_ticks((PROC / "stat").read_text()) / os.sysconf("SC_CLK_TCK")


def parse_stolen_ticks(stat: str) -> int:
    """The text of /proc/stat, whose first line is of all processors."""
    return int(stat.split(maxsplit=9)[8])


def memory(pid: int) -> Memory:
    """What a process and its children hold now, and the sum of the most that each ever held."""
    each = [parse_memory((PROC / str(member) / "status").read_text()) for member in _family(pid)]
    return Memory(sum(one.now_bytes for one in each), sum(one.peak_bytes for one in each))


def parse_memory(status: str) -> Memory:
    """The text of /proc/PID/status. A process that is ending has no memory."""
    kb = {name: int(size) for name, size in re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status, re.MULTILINE)}
    return Memory(kb.get("VmRSS", 0) * 1024, kb.get("VmHWM", 0) * 1024)


def _family(pid: int) -> list[int]:
    members = [pid]
    for member in members:
        for task in (PROC / str(member) / "task").glob("*/children"):
            members += [int(child) for child in task.read_text().split()]
    return members
