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
from lodur.store.days import day_of
from lodur.store.object_store import ObjectStore
from lodur.store.object_stores import ObjectStores

STALLED_S = 10.0
"""Where all manifests of a store are to be read, and for so long none could be, queries of its days are refused: they
might miss entries whose log is gone."""

Day = tuple[TenantId, int]

Place = tuple[TenantId, int | None]
"""A day whose manifest is to be read, or a tenant whose days are to be listed."""


@dataclass(slots=True)
class _Unread:
    days: dict[Day, None] = field(default_factory=dict)
    """In the order in which they were named."""
    asked: int = 0
    """How often all of them were to be read."""
    done: int = 0
    """Of these, how often they were."""
    begun: int = 0
    """What `asked` was when `left` was all of them."""
    left: dict[Place, None] = field(default_factory=dict)
    """Of all of them, in the order in which they are tried."""
    refused: dict[Day, None] = field(default_factory=dict)
    """Of all of them, those that this build cannot make sense of."""
    moved_s: float = 0.0
    """When that was first asked for and not done, or one of them was read last."""
    has_failed: bool = False
    """An attempt to read all of them, which is not at its end yet."""

    def misses(self, tenant: TenantId, days: tuple[int, int], now_s: float) -> bool:
        """Whether a tenant's rows of these days, first and last, might be in manifests that cannot be read."""
        first, last = days
        if any(of == tenant and first <= day <= last for of, day in self.refused):
            return True
        if self.asked == self.done or not (self.has_failed or now_s - self.moved_s >= STALLED_S):
            return False
        if self.begun != self.asked:
            return True
        return any(of == tenant and (day is None or first <= day <= last) for of, day in self.left)


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
        """Where all manifests of a store are to be read: what `begin_all` is to be told, else None."""
        with self._lock:
            unread = self._unread[store]
            return unread.asked if unread.asked > unread.done else None

    def is_begun(self, store: ObjectStore, asked: int) -> bool:
        """Whether an attempt to read all manifests is to go on where the last one has ended."""
        with self._lock:
            return self._unread[store].begun == asked

    def begin_all(self, store: ObjectStore, asked: int, tenants: Iterable[TenantId]) -> None:
        """These tenants were found since `all_asked` gave this."""
        with self._lock:
            self._unread[store].begun = asked
            self._unread[store].left = {(tenant, None): None for tenant in tenants}

    def left(self, store: ObjectStore) -> list[Place]:
        """What is to be done until all manifests are read."""
        with self._lock:
            return list(self._unread[store].left)

    def listed(self, store: ObjectStore, tenant: TenantId, days: Iterable[int]) -> None:
        """A tenant's days were listed: it goes on."""
        with self._lock:
            unread = self._unread[store]
            unread.left.pop((tenant, None), None)
            unread.left |= {(tenant, day): None for day in days}
            unread.moved_s = self._clock.monotonic_s()

    def one_read(self, store: ObjectStore, tenant: TenantId, day: int) -> None:
        """A manifest was read: it goes on."""
        with self._lock:
            unread = self._unread[store]
            unread.left.pop((tenant, day), None)
            unread.refused.pop((tenant, day), None)
            unread.moved_s = self._clock.monotonic_s()

    def one_refused(self, store: ObjectStore, tenant: TenantId, day: int) -> None:
        """Nobody can make sense of one of all manifests: queries of this day alone are refused until it can be read."""
        with self._lock:
            unread = self._unread[store]
            unread.left.pop((tenant, day), None)
            unread.refused[tenant, day] = None
            unread.moved_s = self._clock.monotonic_s()

    def one_failed(self, store: ObjectStore, place: Place) -> None:
        """The next attempt begins with the others."""
        with self._lock:
            left = self._unread[store].left
            if place in left:
                del left[place]
                left[place] = None

    def all_read(self, store: ObjectStore, asked: int) -> None:
        """Nothing is left of what was to be done since `all_asked` gave this."""
        with self._lock:
            self._unread[store].done = asked
            self._unread[store].has_failed = False

    def all_failed(self, store: ObjectStore) -> None:
        """An attempt to read all manifests has ended before its end."""
        with self._lock:
            self._unread[store].has_failed = True

    def forget(self) -> None:
        """All manifests are about to be read anyhow."""
        with self._lock:
            self._unread = {store: _Unread() for store in self._unread}

    def refusal(self, tenant: TenantId, start_ns: int, end_ns: int) -> str:
        """Why a query of a tenant's span might miss entries; empty where it would not."""
        now_s = self._clock.monotonic_s()
        stores = self._stores.of_span(start_ns, end_ns)
        days = (day_of(start_ns), day_of(end_ns - 1))
        with self._lock:
            for store in stores:
                if self._unread[store].misses(tenant, days, now_s):
                    return (
                        f"the manifests in {self._stores.name_of(store)} cannot be read anew, without which entries "
                        "might be missing: try again, or ask for a time range that is not stored there"
                    )
        return ""
