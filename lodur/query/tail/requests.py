"""What is asked of a live tail, and why one ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class EntryForm(Enum):
    """How a client wants to see entries."""

    PLAIN = auto()
    CATEGORIZED = auto()
    """Values of three members, the third with structured metadata and parsed labels."""
    LEGACY = auto()
    """Label sets as text, times in RFC 3339."""


@dataclass(frozen=True, slots=True)
class TailForm:
    """How messages to a client look."""

    entries: EntryForm
    flags: tuple[str, ...] = ()
    """The encoding flags that it sent, which are said again in each message."""


@dataclass(frozen=True, slots=True)
class TailRequest:
    """Follow a log query: first its newest `limit` entries since `start_ns`, then what comes."""

    text: str
    start_ns: int
    limit: int
    delay_ns: int
    """Entries are held back so long after their time, or their arrival if that is earlier, to be put in order."""
    form: TailForm


@dataclass(frozen=True, slots=True)
class TailEnd:
    """The tail is over."""

    reason: str
    is_stop: bool = False
    """Because the server stops; else for the reason of a limit."""
