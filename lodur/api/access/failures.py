"""How many wrong passwords are let through to be checked: so many a minute from one address for one user.

The user belongs to it because behind a proxy everybody has one address: an agent with an old password must not lock
out its neighbours. Names are guessed too, so an address has a bound for all users together.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from lodur.model.clock import Clock

KEPT_MAX = 10_000
"""Addresses and pairs that are remembered; an attacker with more addresses is no longer told from so many people."""

FOR_ALL_USERS = 10
"""An address may fail so many times as often as for one user."""

_MINUTE_S = 60.0

_Key = tuple[str, str | None]
"""An address and a user, or None for all users together."""


class Failures:
    """Failed logins of late, by address and user. Used from one event loop."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        """`per_minute` 0 counts nothing."""
        self._per_minute = per_minute
        self._clock = clock
        self._left: OrderedDict[_Key, tuple[float, float]] = OrderedDict()
        """Failures that are left and the moment of that reckoning; nobody is here whose bucket is full."""

    def wait_s(self, address: str, user: str) -> float:
        """Seconds until the next attempt may be made; 0 where it may be made now."""
        if self._per_minute == 0:
            return 0.0
        return max(self._wait_s(key, most) for key, most in self._buckets(address, user))

    def count(self, address: str, user: str) -> None:
        """Take an attempt for a failure, before it is known: a thousand attempts at once are a thousand."""
        self._add(address, user, -1.0)

    def forgive(self, address: str, user: str) -> None:
        """The attempt that was counted was none."""
        self._add(address, user, 1.0)

    def _add(self, address: str, user: str, change: float) -> None:
        if self._per_minute == 0:
            return
        for key, most in self._buckets(address, user):
            self._left[key] = (min(most, self._count(key, most) + change), self._clock.monotonic_s())
            self._left.move_to_end(key)
        while len(self._left) > KEPT_MAX:
            self._left.popitem(last=False)

    def _buckets(self, address: str, user: str) -> tuple[tuple[_Key, float], ...]:
        network = network_of(address)
        return ((network, user), float(self._per_minute)), ((network, None), float(self._per_minute * FOR_ALL_USERS))

    def _count(self, key: _Key, most: float) -> float:
        left, at_s = self._left.get(key, (most, 0.0))
        return min(most, left + (self._clock.monotonic_s() - at_s) * most / _MINUTE_S)

    def _wait_s(self, key: _Key, most: float) -> float:
        missing = 1.0 - self._count(key, most)
        return max(0.0, missing * _MINUTE_S / most)


def network_of(address: str) -> str:
    """The address, or the /64 of an IPv6 one: whoever has one address of it has them all."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed.packed[:8] + bytes(8), 64)))
    return address
