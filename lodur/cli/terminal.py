"""Where commands print, and whether in colour.

Results are written as UTF-8 bytes and never touched: click's own `echo` takes colour codes out of what it prints
when no terminal is there, and so would change log lines that contain them.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from lodur.model.errors import InvalidRequest

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def write_out(text: str) -> None:
    """Print a result. Raises as `standard_output`."""
    with standard_output() as output:
        output.write(text.encode("utf-8", "replace"))


@contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Where results go, flushed at the end. Raises InvalidRequest where it is a file that takes no more."""
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except OSError as error:
        if error.errno not in _NO_ROOM or error.filename is not None:
            raise
        _leave_rest_unwritten()
        raise InvalidRequest(f"standard output cannot be written: {error.strerror}") from error


def _leave_rest_unwritten() -> None:
    """What is still in memory the interpreter would write at its end, and fail once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def write_err(text: str) -> None:
    """Print something about the result."""
    sys.stderr.buffer.write(text.encode("utf-8", "replace"))
    sys.stderr.buffer.flush()


def is_colour_wanted(asked: bool | None) -> bool:
    """What the option said, else whether a terminal is there whose user has nothing against colours."""
    if asked is not None:
        return asked
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
