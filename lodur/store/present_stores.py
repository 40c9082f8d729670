"""Which object stores answer, as far as regular looks at them have shown.

Who would ask one that is away, or hangs, is refused at once: a log with rows that belong into it waits beside others,
and queries of it do not take the turns of those that can be answered. Start at `PresentStores.check`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lodur.model.clock import Clock
from lodur.model.errors import Unavailable
from lodur.store.object_store import ObjectStore
from lodur.store.object_stores import ObjectStores

AWAY_S = 10.0
"""A store that has answered nothing for so long is taken to be away: mostly it takes some milliseconds."""


TRY_EVERY_S = 5.0
"""So often one read of a store that is away is tried all the same: a look that hangs learns late that it is back."""


class PresentStores:
    """All methods may be called from any thread."""

    def __init__(self, stores: ObjectStores, clock: Clock) -> None:
        self._stores = stores
        self._clock = clock
        self._lock = threading.Lock()
        self._unanswered_s: dict[ObjectStore, float] = {}
        """When each was asked first since it answered last."""
        self._tried_s: dict[ObjectStore, float] = {}

    @contextmanager
    def asking(self, store: ObjectStore) -> Iterator[None]:
        """Around a question, short as a listing, that shows whether a store answers."""
        with self._lock:
            self._unanswered_s.setdefault(store, self._clock.monotonic_s())
        try:
            yield
        except Unavailable:
            raise
        except BaseException:
            self.answered(store)
            raise
        self.answered(store)

    def answered(self, store: ObjectStore) -> None:
        """A store has answered, whatever it was asked."""
        with self._lock:
            self._unanswered_s.pop(store, None)
            self._tried_s.pop(store, None)

    def begin(self, store: ObjectStore) -> None:
        """Raise Unavailable where a store has not answered for a while, but for one read in `TRY_EVERY_S`."""
        if not self._silent_s(store):
            return
        now_s = self._clock.monotonic_s()
        with self._lock:
            is_tried = now_s - self._tried_s.get(store, float("-inf")) < TRY_EVERY_S
            if not is_tried:
                self._tried_s[store] = now_s
        if is_tried:
            self.check(store)

    def check(self, store: ObjectStore) -> None:
        """Raise Unavailable where a store has not answered for a while."""
        if silent_s := self._silent_s(store):
            raise Unavailable(f"{self._stores.name_of(store)} has not answered for {silent_s:.0f} s")

    def check_all(self) -> None:
        """`check` every store."""
        for store in self._stores.each():
            self.check(store)

    def _silent_s(self, store: ObjectStore) -> float:
        """How long a store has not answered that is away; 0 for one that is there."""
        with self._lock:
            asked_s = self._unanswered_s.get(store)
        silent_s = self._clock.monotonic_s() - asked_s if asked_s is not None else 0.0
        return silent_s if silent_s >= AWAY_S else 0.0
