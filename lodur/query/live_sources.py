"""Scan sources that may vanish or turn out to be damaged.

Another process compacts, and deletes what it has replaced after the readers' grace: whoever holds an older list of
segments meets a missing object then; the store, asked again, gives those in its place. A damaged segment is read a
second time, for the damage may have come about on the way; then the store sets it aside and the query goes on with the
rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from lodur.model.errors import CorruptData, NotFound, Unavailable
from lodur.query.sources import Source

ATTEMPTS_MAX = 3
"""Between two of them the store reads the manifests anew, and what they name stays for minutes."""

DAMAGED_MAX = 100
"""Segments that one query may find damaged: with more, it is not single files that are at fault."""

T = TypeVar("T")


async def on_live_sources(
    sources: Callable[[], Awaitable[Sequence[Source]]],
    work: Callable[[Sequence[Source]], Awaitable[T]],
    set_aside: Callable[[CorruptData], bool],
) -> T:
    """Do `work` on the sources, and anew where one of them has been replaced meanwhile or is damaged.

    Raises CorruptData where `set_aside` does not know what is damaged.
    """
    damaged: set[str] = set()
    vanished = 0
    while vanished < ATTEMPTS_MAX:
        found = await sources()
        try:
            return await work(found)
        except NotFound:
            vanished += 1
        except CorruptData as error:
            if error.path in damaged and not set_aside(error):
                raise
            damaged.add(error.path)
            if len(damaged) > DAMAGED_MAX:
                raise
    raise Unavailable("segments were replaced while they were read, try again", retry_after_s=1.0)
