"""Read what came damaged again: over the network it is whole the next time, in the store it is the same.

What to do about what is damaged in the store is up to the caller. Start at `read_settled`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lodur.model.errors import Unavailable
from lodur.store.object_store import ObjectStore, StoredObject

READ_ATTEMPTS_MAX = 20
"""Each failed one means that the bytes came damaged, and others when they were read again."""

T = TypeVar("T")
DamageT = TypeVar("DamageT", bound=Exception)


def read_settled(
    store: ObjectStore, path: str, decode: Callable[[bytes, str], T], damage: type[DamageT]
) -> tuple[StoredObject, T | DamageT] | None:
    """An object and what it says, or the `damage` that it bears in the store too; None where there is none.

    `decode` gets the bytes and the path. Raises what else it does, and as `ObjectStore`.
    """
    for _ in range(READ_ATTEMPTS_MAX):
        found = store.get(path)
        if found is None:
            return None
        try:
            return found, decode(found.data, path)
        except damage as error:
            again = store.get(path)
            if again is not None and again.data == found.data:
                return found, error
    raise Unavailable(f"{path}: {READ_ATTEMPTS_MAX} attempts to read met with other writers or with damage")
