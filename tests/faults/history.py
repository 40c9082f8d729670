"""What comes of one history that kept its promises."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.faults.merges import Ways


@dataclass(frozen=True, slots=True)
class History:
    """For who looks at one, or counts what many of them reach."""

    told: list[str]
    """What was done."""
    ways: Ways = field(default_factory=Counter)
    """What its merges did."""
