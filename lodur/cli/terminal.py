"""Where commands print, and whether in colour.

Results are written as UTF-8 bytes and never touched: click's own `echo` takes colour codes out of what it prints
when no terminal is there, and so would change log lines that contain them.
"""

from __future__ import annotations

import os
import sys


def write_out(text: str) -> None:
    """Print a result."""
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def write_err(text: str) -> None:
    """Print something about the result."""
    sys.stderr.buffer.write(text.encode("utf-8", "replace"))
    sys.stderr.buffer.flush()


def is_colour_wanted(asked: bool | None) -> bool:
    """What the option said, else whether a terminal is there whose user has nothing against colours."""
    if asked is not None:
        return asked
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
