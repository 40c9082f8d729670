"""Steps that fail, and processes that die of them: a history goes on."""

from __future__ import annotations

from collections.abc import Callable

from lodur.model.errors import Unavailable
from tests.compacting_node import Crash
from tests.faults.violation import Violation

STARTS_MAX = 100
"""In a row: with so many the faults are not to blame."""


def survived(step: Callable[[], object], told: list[str]) -> bool:
    """Whether the process that did a step lives still."""
    try:
        step()
    except (Unavailable, OSError) as error:
        told.append(f"   {error}")
    except Crash:
        told.append("   crash")
        return False
    return True


def started(start: Callable[[], object], told: list[str], *, between: Callable[[], object]) -> None:
    """Try to start a process until it lives; what happens `between` two attempts ends the last one."""
    for _ in range(STARTS_MAX):
        between()
        try:
            start()
            return
        except Crash:
            told.append("   crash at start")
    raise Violation("a process that cannot be started")
