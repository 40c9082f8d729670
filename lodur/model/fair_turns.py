"""Turns for tenants that share something scarce: who goes at once, who waits, and who is next.

Of the tenants that wait, the one with the fewest turns goes next, then the one that has used least of late. A tenant
that holds none may go beyond the number of turns for all, so that nobody waits for those who have many. Decides only:
whoever waits is a token of the caller's, and time comes with each call. Not for several threads at once.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

HALF_LIFE_S = 5.0
"""What a tenant has used counts half as much after so long."""

HEAVY_S = 1.0
"""Of turns used of late, from which on a tenant is heavy: it keeps a core busy, or nearly."""

SEEN_S = 60.0
"""How long a tenant counts as one of those that share: where nobody else was seen for so long, nobody is heavy."""

REMEMBERED_MAX = 10_000
"""Tenants whose use is remembered; beyond it those seen longest ago are forgotten, if they hold and want nothing."""

W = TypeVar("W")


@dataclass(slots=True)
class _Tenant(Generic[W]):
    seen_s: float
    running: int = 0
    used_s: float = 0.0
    measured_s: float = 0.0
    waiting: deque[W] = field(default_factory=deque)


class FairTurns(Generic[W]):
    """At most `running_max` turns at a time, and `spare` more for tenants that hold none."""

    def __init__(self, *, running_max: int, spare: int) -> None:
        self._running_max = running_max
        self._spare = spare
        self._running = 0
        self._tenants: OrderedDict[str, _Tenant[W]] = OrderedDict()
        """Seen longest ago first."""
        self._hungry: dict[str, _Tenant[W]] = {}
        """Those of which somebody waits."""

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

    def would_wait(self, name: str) -> bool:
        """Whether a tenant that came now would have to wait."""
        tenant = self._tenants.get(name)
        return bool(tenant is not None and tenant.waiting) or not self._has_room(tenant.running if tenant else 0)

    def enter(self, name: str, waiter: W, now_s: float) -> bool:
        """Take a turn, if there is one at once; else `waiter` waits for it."""
        tenant = self._seen(name, now_s)
        if not tenant.waiting and self._has_room(tenant.running):
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
        tenant.used_s = _used(tenant, now_s) + used_s
        tenant.measured_s = now_s
        self._forget()
        called: list[W] = []
        while (waiter := self._next(now_s)) is not None:
            called.append(waiter)
        return called

    def is_heavy(self, name: str, now_s: float) -> bool:
        """Whether a tenant uses much while others are there too."""
        tenant = self._tenants.get(name)
        if tenant is None or _used(tenant, now_s) < HEAVY_S:
            return False
        latest = reversed(self._tenants.items())
        other = next((each for other_name, each in latest if other_name != name), None)
        return other is not None and now_s - other.seen_s < SEEN_S

    def _has_room(self, running: int) -> bool:
        return self._running < self._running_max + (0 if running else self._spare)

    def _next(self, now_s: float) -> W | None:
        ready = [(name, tenant) for name, tenant in self._hungry.items() if self._has_room(tenant.running)]
        if not ready:
            return None
        name, tenant = min(ready, key=lambda item: (item[1].running, _used(item[1], now_s)))
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
            tenant = self._tenants[name] = _Tenant(now_s, measured_s=now_s)
        tenant.seen_s = now_s
        self._tenants.move_to_end(name)
        return tenant

    def _forget(self) -> None:
        while len(self._tenants) > REMEMBERED_MAX:
            name, tenant = next(iter(self._tenants.items()))
            if tenant.running or tenant.waiting:
                # It holds or wants something: it will be seen again.
                self._tenants.move_to_end(name)
                return
            del self._tenants[name]


def _used(tenant: _Tenant[W], now_s: float) -> float:
    return float(tenant.used_s * 0.5 ** (max(0.0, now_s - tenant.measured_s) / HALF_LIFE_S))
