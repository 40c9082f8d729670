"""What a history of the bench fails with."""

from __future__ import annotations


class Violation(AssertionError):
    """A promise was broken."""
