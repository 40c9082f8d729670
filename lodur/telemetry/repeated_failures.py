"""Failures of what is tried again and again: told once when they begin or become others, and once when they are over.

Each attempt that fails is for a counter; the log has the changes. Start at `RepeatedFailures.is_new`.
"""

from __future__ import annotations

from collections.abc import Collection

from lodur.model.errors import CorruptData


class RepeatedFailures:
    """For one thread at a time. What is tried has a name."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[type[Exception], str]] = {}
        """Of each: what it was, and what object is damaged."""

    def is_new(self, name: str, error: Exception) -> bool:
        """Note a failure; whether the last attempt did not fail, or in another way."""
        kind = (type(error), error.path if isinstance(error, CorruptData) else "")
        is_new = self._last.get(name) != kind
        self._last[name] = kind
        return is_new

    def is_over(self, name: str) -> bool:
        """Note a success; whether the last attempt failed."""
        return self._last.pop(name, None) is not None

    def keep(self, names: Collection[str]) -> None:
        """Forget all others: they are not tried any more."""
        self._last = {name: error for name, error in self._last.items() if name in names}
