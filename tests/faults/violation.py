"""What a history of the bench fails with."""

from __future__ import annotations

from tests.faults.sizes import shortened


class Violation(AssertionError):
    """A promise was broken."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))
