"""Wait for a read of object stores for as long as none of them is known to be away. Start at `while_present`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

from lodur.store.object_store import ObjectStore

LOOK_S = 1.0
"""How often it is asked whether a store is away by now."""

T = TypeVar("T")


class Presence(Protocol):
    """What is known of stores that may be away. Methods may be called from any thread."""

    def begin(self, store: ObjectStore) -> None:
        """Before a read. Raises Unavailable for a store that is away, but for one read now and then that tries it."""

    def check(self, store: ObjectStore) -> None:
        """Raise Unavailable for a store that is away."""

    def answered(self, store: ObjectStore) -> None:
        """The store is not away."""


class AllPresent:
    """Nobody knows of a store that is away."""

    def begin(self, store: ObjectStore) -> None:
        """It may be read."""

    def check(self, store: ObjectStore) -> None:
        """It may be waited for."""

    def answered(self, store: ObjectStore) -> None:
        """Nobody has doubted it."""


async def while_present(
    begin: Callable[[], asyncio.Future[T]], stores: Collection[ObjectStore], presence: Presence
) -> T:
    """What a read of some stores gives. It is not begun where one is away; where one is found to be away meanwhile, or
    the caller is cancelled, it is cancelled, and what cannot be cancelled goes on and is nobody's.

    Raises as the read, and Unavailable.
    """
    for store in stores:
        presence.begin(store)
    read = begin()
    try:
        while not read.done():
            await asyncio.wait((read,), timeout=LOOK_S)
            if not read.done():
                for store in stores:
                    presence.check(store)
        found = read.result()
    finally:
        read.add_done_callback(_forget)
        read.cancel()
    for store in stores:
        presence.answered(store)
    return found


def _forget(read: asyncio.Future[T]) -> None:
    """Else the event loop would tell of an error that nobody has asked for."""
    if not read.cancelled():
        read.exception()
