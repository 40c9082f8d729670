"""Who may pass when: many appends at once, or one freeze and no append.

A freeze must know the number N such that all records up to N are in the generation that it closes; so no record may be
on its way from the WAL to the head at that moment.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class AppendGate:
    """A shared and exclusive lock that lets a waiting freeze go before later appends."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._appends = 0
        self._is_closed = False

    @contextmanager
    def append(self) -> Iterator[None]:
        """Inside, no freeze is."""
        with self._condition:
            while self._is_closed:
                self._condition.wait()
            self._appends += 1
        try:
            yield
        finally:
            with self._condition:
                self._appends -= 1
                if not self._appends:
                    self._condition.notify_all()

    @contextmanager
    def freeze(self) -> Iterator[None]:
        """Inside, no append is: those that were have ended, others wait."""
        with self._condition:
            while self._is_closed:
                self._condition.wait()
            self._is_closed = True
            while self._appends:
                self._condition.wait()
        try:
            yield
        finally:
            with self._condition:
                self._is_closed = False
                self._condition.notify_all()
