"""A cache in memory, bounded by bytes: what was used longest ago goes first."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from lodur.model.clock import Clock, SystemClock
from lodur.telemetry.store_metrics import CacheMetrics

ENTRIES_MAX = 2**20
"""What is known of each entry takes memory too, some hundred bytes."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class MemoryCache(Generic[K, V]):
    """Values by key, each with its size. Methods may be called from any thread."""

    def __init__(
        self,
        name: str,
        bytes_max: int,
        metrics: CacheMetrics,
        *,
        entries_max: int = ENTRIES_MAX,
        ttl_s: float = math.inf,
        clock: Clock | None = None,
    ) -> None:
        self._ttl_s = ttl_s
        self._clock = clock or SystemClock()
        self._bytes_max = bytes_max
        self._entries_max = entries_max
        self._hits, self._misses = metrics.hits.labels(name), metrics.misses.labels(name)
        self._evicted = metrics.evicted.labels(name)
        self._gauge_bytes, self._gauge_entries = metrics.bytes.labels(name), metrics.entries.labels(name)
        self._lock = threading.Lock()
        self._values: OrderedDict[K, tuple[V, int, float]] = OrderedDict()
        """Each with its size, and the monotonic time until which it is kept."""
        self._bytes = 0

    def find(self, keys: Sequence[K]) -> list[V | None]:
        """The values of some keys; None where there is none."""
        found: list[V | None] = []
        now_s = self._clock.monotonic_s()
        with self._lock:
            for key in keys:
                kept = self._values.get(key)
                if kept is None:
                    found.append(None)
                elif kept[2] < now_s:
                    self._remove(key)
                    found.append(None)
                else:
                    self._values.move_to_end(key)
                    found.append(kept[0])
        misses = found.count(None)
        self._hits.inc(len(found) - misses)
        self._misses.inc(misses)
        return found

    def get(self, key: K) -> V | None:
        """The value of a key; None where there is none."""
        return self.find([key])[0]

    def keep(self, key: K, value: V, size_bytes: int) -> None:
        """Keep a value unless it is larger than the whole cache."""
        if size_bytes > self._bytes_max:
            return
        with self._lock:
            self._remove(key)
            self._values[key] = (value, size_bytes, self._clock.monotonic_s() + self._ttl_s)
            self._bytes += size_bytes
            evicted = 0
            while self._bytes > self._bytes_max or len(self._values) > self._entries_max:
                self._remove(next(iter(self._values)))
                evicted += 1
            self._measure()
        self._evicted.inc(evicted)

    def forget(self, keys: Iterable[K]) -> None:
        """Let some values go."""
        with self._lock:
            for key in keys:
                self._remove(key)
            self._measure()

    def forget_where(self, is_gone: Callable[[K], bool]) -> None:
        """Let the values go whose keys are such; looks at all of them."""
        with self._lock:
            for key in [key for key in self._values if is_gone(key)]:
                self._remove(key)
            self._measure()

    def _remove(self, key: K) -> None:
        kept = self._values.pop(key, None)
        if kept is not None:
            self._bytes -= kept[1]

    def _measure(self) -> None:
        self._gauge_bytes.set(self._bytes)
        self._gauge_entries.set(len(self._values))
