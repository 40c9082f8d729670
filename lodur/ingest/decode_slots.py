"""Decoding takes a slot, so that bodies are not all decompressed at once; tenants get slots fairly.

Any thread may ask. Start at `DecodeSlots.slot`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lodur.model.clock import Clock
from lodur.model.fair_turns import FairTurns
from lodur.model.tenant import TenantId


class DecodeSlots:
    """`running_max` slots, and one more for a tenant that has none; tenants that use much get one while others come."""

    def __init__(self, running_max: int, clock: Clock) -> None:
        self._turns: FairTurns[threading.Event] = FairTurns(running_max=running_max, spare=1, heavy_max=1)
        self._lock = threading.Lock()
        self._clock = clock

    @contextmanager
    def slot(self, tenant: TenantId) -> Iterator[None]:
        """Wait for a slot and hold it."""
        called = threading.Event()
        begun_s = self._clock.monotonic_s()
        with self._lock:
            is_called = self._turns.enter(tenant.value, called, begun_s)
        if not is_called:
            called.wait()
            begun_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            now_s = self._clock.monotonic_s()
            with self._lock:
                for waiter in self._turns.leave(tenant.value, now_s - begun_s, now_s):
                    waiter.set()
