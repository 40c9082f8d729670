"""A profile of this process on demand: where its threads spend processor time, Python's and others.

A thread looks at all stacks a hundred times a second. On Linux each stack is charged with the processor time that its
thread has used since the last look, so that waiting costs nothing and native code counts for the Python function that
has called it; threads without Python stand by their names. Elsewhere every look counts alike. Start at `Profiler.take`.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_MS

PERIOD_NS = 10 * NS_PER_MS
DEPTH_MAX = 200
"""Frames of a stack; what lies further out is left away."""

TASKS = Path("/proc/self/task")


@dataclass(frozen=True, slots=True)
class Frame:
    """A place in the code."""

    function: str
    file: str
    line: int


Stack = tuple[Frame, ...]
"""The innermost frame first."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Nanoseconds of processor time by thread and stack."""

    started_ns: int
    duration_ns: int
    samples: dict[tuple[str, Stack], int]


class Profiler:
    """Takes one profile at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()

    def take(self, seconds: float, stop: threading.Event) -> Profile | None:
        """Look for so long, or until `stop`. Blocks. None where another profile is being taken."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._taken(seconds, stop)
        finally:
            self._lock.release()

    def _taken(self, seconds: float, stop: threading.Event) -> Profile:
        started_ns, begun_s = self._clock.now_ns(), self._clock.monotonic_s()
        samples: Counter[tuple[str, Stack]] = Counter()
        used_ns = _used_ns()
        me = threading.get_native_id()
        while self._clock.monotonic_s() - begun_s < seconds and not stop.wait(PERIOD_NS / 1e9):
            now_ns = _used_ns()
            names, stacks = _stacks()
            charged = {task: ns - used_ns.get(task, ns) for task, ns in now_ns.items()} or dict.fromkeys(
                stacks, PERIOD_NS
            )
            used_ns = now_ns
            for task, cost_ns in charged.items():
                if cost_ns > 0 and task != me:
                    name = names.get(task) or _native_name(task)
                    samples[name, stacks.get(task, ())] += cost_ns
        duration_ns = int((self._clock.monotonic_s() - begun_s) * 1e9)
        return Profile(started_ns, duration_ns, dict(samples))


def thread_dump() -> str:
    """The stacks of all Python threads, as text."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts: list[str] = []
    for ident, frame in sorted(sys._current_frames().items()):
        parts.append(f"thread {names.get(ident, 'without a name')} ({ident}):\n")
        parts += traceback.format_stack(frame)
        parts.append("\n")
    return "".join(parts)


def _used_ns() -> dict[int, int]:
    """Processor time of each thread by its number; nothing where the system does not tell."""
    used: dict[int, int] = {}
    try:
        tasks = list(TASKS.iterdir())
    except OSError:
        return used
    for task in tasks:
        try:
            used[int(task.name)] = int((task / "schedstat").read_bytes().split()[0])
        except (OSError, ValueError, IndexError):
            # The thread has ended meanwhile.
            continue
    return used


def _stacks() -> tuple[dict[int, str], dict[int, Stack]]:
    """Names and stacks of the threads that run Python, by the system's numbers."""
    threads = {thread.ident: thread for thread in threading.enumerate()}
    names: dict[int, str] = {}
    stacks: dict[int, Stack] = {}
    for ident, frame in sys._current_frames().items():
        thread = threads.get(ident)
        if thread is not None and thread.native_id is not None:
            names[thread.native_id] = thread.name
            stacks[thread.native_id] = _stack(frame)
    return names, stacks


def _stack(frame: FrameType | None) -> Stack:
    frames: list[Frame] = []
    while frame is not None and len(frames) < DEPTH_MAX:
        code = frame.f_code
        frames.append(Frame(code.co_qualname, code.co_filename, frame.f_lineno or 0))
        frame = frame.f_back
    return tuple(frames)


def _native_name(task: int) -> str:
    try:
        return (TASKS / str(task) / "comm").read_text().strip()
    except OSError:
        return "ended"
