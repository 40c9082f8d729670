"""Scan sources that may vanish: another process compacts, and deletes what it has replaced after the readers' grace.

Whoever holds an older list of segments meets a missing object then; the store, asked again, gives those in its place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from lodur.model.errors import NotFound, Unavailable
from lodur.query.sources import Source

ATTEMPTS_MAX = 3
"""Between two of them the store reads the manifests anew, and what they name stays for minutes."""

T = TypeVar("T")


async def on_live_sources(
    sources: Callable[[], Awaitable[Sequence[Source]]], work: Callable[[Sequence[Source]], Awaitable[T]]
) -> T:
    """Do `work` on the sources, and anew where one of them has been replaced meanwhile."""
    for _ in range(ATTEMPTS_MAX):
        found = await sources()
        try:
            return await work(found)
        except NotFound:
            continue
    raise Unavailable("segments were replaced while they were read, try again", retry_after_s=1.0)
