"""Turns for tenants that share something scarce: who goes at once, who waits, and who is next.

Of the tenants that wait, the one with the fewest turns goes next, then the one that has used least of late. A tenant
that holds none may go beyond the number of turns for all, so that nobody waits for those who have many. One that uses
much, and more than its share, while others are there (a heavy one) gets few turns, so that it leaves room for what
others do besides. Decides only: whoever waits is a token of the caller's, and time comes with each call. Not for
several threads at once.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

HALF_LIFE_S = 5.0
"""What a tenant has used counts half as much after so long."""

HEAVY_S = 2.0
"""Of turns used of late, below which nobody is heavy: a third of a turn, all the time."""

SEEN_S = 60.0
"""How long a tenant counts as one of those that share, and is remembered."""

REMEMBERED_MAX = 10_000
"""Tenants whose use is remembered; beyond it those seen longest ago are forgotten, if they hold and want nothing."""

FORGOTTEN_AT_ONCE = 4
"""More than come anew between two looks."""

W = TypeVar("W")


@dataclass(slots=True)
class _Tenant(Generic[W]):
    seen_s: float
    running: int = 0
    used_s: float = 0.0
    measured_s: float = 0.0
    waiting: deque[W] = field(default_factory=deque)


class FairTurns(Generic[W]):
    """At most `running_max` turns at a time, `spare` more for tenants that hold none; a heavy one has `heavy_max`."""

    def __init__(self, *, running_max: int, spare: int, heavy_max: int) -> None:
        self._running_max = running_max
        self._spare = spare
        self.heavy_max = heavy_max
        """May be changed; one at least is always allowed."""
        self._running = 0
        self._tenants: OrderedDict[str, _Tenant[W]] = OrderedDict()
        """Seen longest ago first."""
        self._hungry: dict[str, _Tenant[W]] = {}
        """Those of which somebody waits."""
        self._used_s = 0.0
        self._measured_s = 0.0

    @property
    def running(self) -> int:
        """Turns that are held."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(len(tenant.waiting) for tenant in self._hungry.values())

    def waiting_of(self, name: str) -> int:
        """How many of a tenant wait."""
        tenant = self._hungry.get(name)
        return len(tenant.waiting) if tenant is not None else 0

    def would_wait(self, name: str, now_s: float) -> bool:
        """Whether a tenant that came now would have to wait."""
        tenant = self._tenants.get(name)
        return bool(tenant is not None and tenant.waiting) or not self._has_room(name, tenant, now_s)

    def enter(self, name: str, waiter: W, now_s: float) -> bool:
        """Take a turn, if there is one at once; else `waiter` waits for it."""
        tenant = self._seen(name, now_s)
        if not tenant.waiting and self._has_room(name, tenant, now_s):
            self._begin(tenant)
            return True
        tenant.waiting.append(waiter)
        self._hungry[name] = tenant
        return False

    def withdraw(self, name: str, waiter: W) -> bool:
        """Wait no longer; False where the turn had come already, which is then to be ended."""
        tenant = self._hungry.get(name)
        if tenant is None or waiter not in tenant.waiting:
            return False
        tenant.waiting.remove(waiter)
        if not tenant.waiting:
            del self._hungry[name]
        return True

    def leave(self, name: str, used_s: float, now_s: float) -> list[W]:
        """End a turn that took so long; those whose turn has come."""
        tenant = self._seen(name, now_s)
        tenant.running -= 1
        self._running -= 1
        tenant.used_s = _faded(tenant.used_s, now_s - tenant.measured_s) + used_s
        tenant.measured_s = now_s
        self._used_s = _faded(self._used_s, now_s - self._measured_s) + used_s
        self._measured_s = now_s
        self._forget(now_s)
        called: list[W] = []
        while (waiter := self._next(now_s)) is not None:
            called.append(waiter)
        return called

    def is_heavy(self, name: str, now_s: float) -> bool:
        """Whether a tenant uses much, and more than the average of those that are there."""
        tenant = self._tenants.get(name)
        if tenant is None:
            return False
        used_s = _faded(tenant.used_s, now_s - tenant.measured_s)
        all_s = _faded(self._used_s, now_s - self._measured_s)
        self._forget(now_s)
        return used_s >= HEAVY_S and used_s * len(self._tenants) > all_s

    def _has_room(self, name: str, tenant: _Tenant[W] | None, now_s: float) -> bool:
        running = tenant.running if tenant is not None else 0
        if self._running >= self._running_max + (0 if running else self._spare):
            return False
        return running < max(1, self.heavy_max) or not self.is_heavy(name, now_s)

    def _next(self, now_s: float) -> W | None:
        ready = [(name, tenant) for name, tenant in self._hungry.items() if self._has_room(name, tenant, now_s)]
        if not ready:
            return None
        name, tenant = min(
            ready, key=lambda item: (item[1].running, _faded(item[1].used_s, now_s - item[1].measured_s))
        )
        waiter = tenant.waiting.popleft()
        if not tenant.waiting:
            del self._hungry[name]
        self._begin(tenant)
        return waiter

    def _begin(self, tenant: _Tenant[W]) -> None:
        tenant.running += 1
        self._running += 1

    def _seen(self, name: str, now_s: float) -> _Tenant[W]:
        tenant = self._tenants.get(name)
        if tenant is None:
            self._forget(now_s)
            tenant = self._tenants[name] = _Tenant(now_s, measured_s=now_s)
        tenant.seen_s = now_s
        self._tenants.move_to_end(name)
        return tenant

    def _forget(self, now_s: float) -> None:
        for name, tenant in list(islice(self._tenants.items(), FORGOTTEN_AT_ONCE)):
            if len(self._tenants) <= REMEMBERED_MAX and now_s - tenant.seen_s < SEEN_S:
                return
            if tenant.running or tenant.waiting:
                # It holds or wants something, and will be seen again.
                self._tenants.move_to_end(name)
            else:
                del self._tenants[name]


def _faded(used_s: float, since_s: float) -> float:
    return float(used_s * 0.5 ** (max(0.0, since_s) / HALF_LIFE_S))
