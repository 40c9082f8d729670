"""How far a command has come, on standard error.

On a terminal one line that is written over, elsewhere a line now and then.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from lodur.cli.terminal import write_err

LINE_EVERY_S = 5.0
"""Where each line stays, as in a log."""

REDRAW_EVERY_S = 0.2


class ProgressLines:
    """Asked at every step; most of the time it says nothing."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._is_terminal = sys.stderr.isatty()
        self._said_s = time.monotonic()

    def say(self, text: Callable[[], str]) -> None:
        """Say this if it is time to."""
        now_s = time.monotonic()
        if self._is_quiet or now_s - self._said_s < (REDRAW_EVERY_S if self._is_terminal else LINE_EVERY_S):
            return
        self._said_s = now_s
        write_err(f"\r\x1b[2K{text()}" if self._is_terminal else f"{text()}\n")

    def end(self) -> None:
        """Make room for what is said at the end."""
        if self._is_terminal and not self._is_quiet:
            write_err("\r\x1b[2K")
