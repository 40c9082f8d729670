"""A commit that somebody waits for on another thread, and may stop waiting for. Start at `CommitWatch.call_off`."""

from __future__ import annotations

import threading
from enum import Enum, auto

from lodur.model.errors import DeadlineExceeded


class Progress(Enum):
    """How far a commit has got."""

    NOT_SENT = auto()
    """Nothing is changed, and nothing will be once it was called off."""
    SENT = auto()
    """It is stored, or will be, or will not: the store has not said."""
    DONE = auto()


class CommitWatch:
    """Of one commit. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_called_off = False
        self._progress = Progress.NOT_SENT

    def check(self) -> None:
        """Raise DeadlineExceeded where nobody waits any more."""
        with self._lock:
            self._refuse_if_called_off()

    def send(self) -> None:
        """Before each attempt to store it. Raises DeadlineExceeded where it was called off."""
        with self._lock:
            self._refuse_if_called_off()
            self._progress = Progress.SENT

    def done(self) -> None:
        """The store has it."""
        with self._lock:
            self._progress = Progress.DONE

    def call_off(self) -> Progress:
        """Nobody waits any more: attempts that were not begun are not made. How far it has got."""
        with self._lock:
            self._is_called_off = True
            return self._progress

    @property
    def progress(self) -> Progress:
        with self._lock:
            return self._progress

    def _refuse_if_called_off(self) -> None:
        if self._is_called_off:
            raise DeadlineExceeded("nobody waits for it any more")
