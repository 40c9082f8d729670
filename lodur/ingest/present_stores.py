"""Which object stores answer, as far as the looks of an adopter have shown.

A log with rows that belong into another store, which is away, waits until that is back: one that hangs would else hold
up the adoption of all logs beside such a one. Start at `PresentStores.check`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lodur.model.clock import Clock
from lodur.model.errors import LodurError, Unavailable
from lodur.store.object_store import ObjectStore
from lodur.store.object_stores import ObjectStores

HANGS_S = 10.0
"""A store that has not answered a question for so long is taken to be away: mostly it takes some milliseconds."""


class PresentStores:
    """All methods may be called from any thread; a store is asked by one at a time."""

    def __init__(self, stores: ObjectStores, clock: Clock) -> None:
        self._stores = stores
        self._clock = clock
        self._lock = threading.Lock()
        self._asked_s: dict[ObjectStore, float] = {}
        """When a question was put that is not answered yet."""
        self._failed: set[ObjectStore] = set()

    @contextmanager
    def asking(self, store: ObjectStore) -> Iterator[None]:
        """Around a question, short as a listing, that shows whether a store answers."""
        with self._lock:
            self._asked_s[store] = self._clock.monotonic_s()
        has_failed = False
        try:
            yield
        except LodurError:
            has_failed = True
            raise
        finally:
            with self._lock:
                del self._asked_s[store]
                self._failed.discard(store)
                if has_failed:
                    self._failed.add(store)

    def check(self, store: ObjectStore) -> None:
        """Raise Unavailable where a store did not answer last time, or has not for a while."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            is_away = store in self._failed or now_s - self._asked_s.get(store, now_s) >= HANGS_S
        if is_away:
            raise Unavailable(f"{self._stores.name_of(store)} does not answer")

    def check_all(self) -> None:
        """`check` every store."""
        for store in self._stores.each():
            self.check(store)
