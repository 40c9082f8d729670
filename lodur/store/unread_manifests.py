"""Which manifests other processes have committed that are not read here yet, by the object store that they lie in.

Whoever follows the logs of one store learns of manifests in all of them; each is read by whoever looks at its own
store, so that one which is away holds up nobody else. Start at `UnreadManifests.note`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from lodur.model.clock import Clock
from lodur.model.tenant import TenantId
from lodur.store.object_store import ObjectStore
from lodur.store.object_stores import ObjectStores

STALLED_S = 10.0
"""Where all manifests of a store are to be read, and for so long none could be, queries of its days are refused: they
might miss entries whose log is gone."""

Day = tuple[TenantId, int]


@dataclass(slots=True)
class _Unread:
    days: dict[Day, None] = field(default_factory=dict)
    """In the order in which they were named."""
    asked: int = 0
    """How often all of them were to be read."""
    done: int = 0
    """Of these, how often they were."""
    moved_s: float = 0.0
    """When that was first asked for and not done, or one of them was read last."""
    has_failed: bool = False
    """The last attempt to read all of them."""


class UnreadManifests:
    """All methods may be called from any thread."""

    def __init__(self, stores: ObjectStores, clock: Clock) -> None:
        self._stores = stores
        self._clock = clock
        self._lock = threading.Lock()
        self._unread = {store: _Unread() for store in stores.each()}

    def note(self, tenant: TenantId, days: Iterable[int]) -> None:
        """The manifests of these days were committed, or may have been."""
        with self._lock:
            for day in days:
                self._unread[self._stores.of_day(day)].days[tenant, day] = None

    def note_all(self) -> None:
        """Any manifest may have been committed: each is to be read again."""
        with self._lock:
            for unread in self._unread.values():
                if unread.asked == unread.done:
                    unread.moved_s, unread.has_failed = self._clock.monotonic_s(), False
                unread.asked += 1

    def take_day(self, store: ObjectStore) -> Day | None:
        """The next day of which the manifest is to be read. `note` it again where that fails."""
        with self._lock:
            days = self._unread[store].days
            day = next(iter(days), None)
            if day is not None:
                del days[day]
            return day

    def all_asked(self, store: ObjectStore) -> int | None:
        """Where all manifests of a store are to be read: what `all_read` is to be told after that, else None."""
        with self._lock:
            unread = self._unread[store]
            return unread.asked if unread.asked > unread.done else None

    def all_read(self, store: ObjectStore, asked: int) -> None:
        """All manifests were read since `all_asked` gave this."""
        with self._lock:
            self._unread[store].done = asked
            self._unread[store].has_failed = False

    def one_read(self, store: ObjectStore) -> None:
        """One of all manifests was read: it goes on."""
        with self._lock:
            self._unread[store].moved_s = self._clock.monotonic_s()

    def all_failed(self, store: ObjectStore) -> None:
        """An attempt to read all manifests has ended before its end."""
        with self._lock:
            self._unread[store].has_failed = True

    def forget(self) -> None:
        """All manifests are about to be read anyhow."""
        with self._lock:
            self._unread = {store: _Unread() for store in self._unread}

    def refusal(self, start_ns: int, end_ns: int) -> str:
        """Why a query of a span might miss entries; empty where it would not."""
        now_s = self._clock.monotonic_s()
        stores = self._stores.of_span(start_ns, end_ns)
        with self._lock:
            for store in stores:
                unread = self._unread[store]
                is_stalled = unread.has_failed or now_s - unread.moved_s >= STALLED_S
                if unread.asked > unread.done and is_stalled:
                    return (
                        f"the manifests in {self._stores.name_of(store)} cannot be read anew, without which entries "
                        "might be missing: try again, or ask for a time range that is not stored there"
                    )
        return ""
