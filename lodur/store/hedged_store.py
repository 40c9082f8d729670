"""An object store whose slow reads are made a second time: who answers first wins.

Of many requests to an object store a few take a hundred times as long as the others, and a query waits for the slowest.
Writes and listings are passed on as they are. Start at `HedgedStore`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from lodur.model.clock import Clock
from lodur.store.object_store import ListedObject, ObjectStore, StoredObject
from lodur.store.options import HedgingOptions
from lodur.telemetry.store_metrics import StoreMetrics

THREADS = 64
"""Blocking reads under way, the second attempts included: more than are ever asked for at a time."""

T = TypeVar("T")


class HedgeAllowance:
    """So many further attempts in a second, and no more saved up than that. May be asked from any thread."""

    def __init__(self, per_second_max: int, clock: Clock) -> None:
        self._most = float(per_second_max)
        self._left = self._most
        self._clock = clock
        self._at_s = clock.monotonic_s()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more may be made now."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            self._left = min(self._most, self._left + (now_s - self._at_s) * self._most)
            self._at_s = now_s
            if self._left < 1:
                return False
            self._left -= 1
            return True


class HedgedStore:
    """`inner`, its reads hedged."""

    def __init__(
        self, inner: ObjectStore, options: HedgingOptions, allowance: HedgeAllowance, metrics: StoreMetrics
    ) -> None:
        self._inner = inner
        self._options = options
        self._allowance = allowance
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(THREADS, "hedged-read")

    def check(self, writer_prefix: str = "") -> None:
        self._inner.check(writer_prefix)

    def get(self, path: str) -> StoredObject | None:
        return self._first(lambda: self._inner.get(path))

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return self._first(lambda: self._inner.get_ranges(path, ranges))

    async def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return await self._first_async(lambda: self._inner.read_ranges(path, ranges))

    def put_file(self, path: str, source: Path) -> None:
        self._inner.put_file(path, source)

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        return self._inner.replace_if(path, data, version)

    def delete(self, path: str) -> None:
        self._inner.delete(path)

    def list_objects(self, prefix: str) -> list[ListedObject]:
        return self._inner.list_objects(prefix)

    def list_folders(self, prefix: str) -> list[str]:
        return self._inner.list_folders(prefix)

    def spool(self, path: str) -> Path:
        return self._inner.spool(path)

    def local_path(self, path: str) -> Path | None:
        return self._inner.local_path(path)

    def _first(self, read: Callable[[], T]) -> T:
        """What the first attempt to succeed gives; where all fail, the error of the last. Losers run to their end."""
        attempts: list[Future[T]] = [self._threads.submit(read)]
        pending = set(attempts)
        attempts_max = self._options.attempts_max
        while True:
            timeout_s = self._options.after_s if len(attempts) < attempts_max else None
            done, pending = wait(pending, timeout=timeout_s, return_when=FIRST_COMPLETED)
            if not done and self._may_add():
                attempts.append(self._threads.submit(read))
                pending.add(attempts[-1])
            elif not done:
                attempts_max = len(attempts)
            elif (chosen := _chosen([one.exception() for one in done], bool(pending))) is not None:
                self._count(list(done)[chosen] is not attempts[0])
                return list(done)[chosen].result()

    async def _first_async(self, read: Callable[[], Coroutine[None, None, T]]) -> T:
        """As `_first`; losers are cancelled."""
        attempts = [asyncio.create_task(read())]
        pending = set(attempts)
        attempts_max = self._options.attempts_max
        try:
            while True:
                timeout_s = self._options.after_s if len(attempts) < attempts_max else None
                done, pending = await asyncio.wait(pending, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
                if not done and self._may_add():
                    attempts.append(asyncio.create_task(read()))
                    pending.add(attempts[-1])
                elif not done:
                    attempts_max = len(attempts)
                elif (chosen := _chosen([one.exception() for one in done], bool(pending))) is not None:
                    self._count(list(done)[chosen] is not attempts[0])
                    return list(done)[chosen].result()
        finally:
            for attempt in attempts:
                attempt.cancel()

    def _may_add(self) -> bool:
        is_allowed = self._allowance.take()
        if is_allowed:
            self._metrics.hedged.inc()
        return is_allowed

    def _count(self, is_later: bool) -> None:
        if is_later:
            self._metrics.hedges_won.inc()


def _chosen(errors: Sequence[BaseException | None], is_more_to_come: bool) -> int | None:
    """The place of an attempt without an error; of one that failed where no other is to come."""
    if None in errors:
        return errors.index(None)
    return None if is_more_to_come else 0
