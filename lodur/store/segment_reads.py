"""Ranges of remote segments: from memory, from the local disk, from their store, in this order.

Small ranges, such as the slices of gram filters that every needle asks for, stay in memory; all go to the disk, where
there is a cache. Segments never change, so nothing here can be out of date. Start at `SegmentReads`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from lodur.store.memory_cache import MemoryCache
from lodur.store.object_store import ObjectStore
from lodur.store.range_cache import Range, RangeCache
from lodur.telemetry.store_metrics import CacheMetrics

SMALL_BYTES = 16 * 1024
"""Of a range that stays in memory: slices of gram filters have 4 KiB."""

KEEP_QUEUE_MAX = 64
"""Packs on their way to the disk, some MiB each; where the disk is slower than the network, more are not kept."""


class SegmentReads:
    """Reads ranges. `disk` is None where nothing is kept on the disk. Methods may be called from any thread."""

    def __init__(self, small_bytes_max: int, disk: RangeCache | None, metrics: CacheMetrics) -> None:
        self._small: MemoryCache[tuple[str, Range], bytes] = MemoryCache("small_ranges", small_bytes_max, metrics)
        self._disk = disk
        self._keeping = ThreadPoolExecutor(1, "keep-ranges")
        self._queue_room = threading.BoundedSemaphore(KEEP_QUEUE_MAX)

    def get(self, store: ObjectStore, path: str, wanted: Range) -> bytes:
        """One range; blocks. Raises as `ObjectStore`."""
        kept = self._disk.find(path, [wanted])[0] if self._disk is not None else None
        if kept is not None:
            return kept
        part = store.get_ranges(path, [wanted])[0]
        self._keep(path, [wanted], [part])
        return part

    async def read(self, store: ObjectStore, path: str, ranges: Sequence[Range]) -> list[bytes]:
        """All ranges, in their order. Raises as `ObjectStore`."""
        parts: list[bytes | None] = [None] * len(ranges)
        small = [place for place, wanted in enumerate(ranges) if wanted[1] <= SMALL_BYTES]
        for place, part in zip(small, self._small.find([(path, ranges[place]) for place in small]), strict=True):
            parts[place] = part
        missing = _missing(parts)
        if missing and self._disk is not None:
            found = await asyncio.to_thread(self._disk.find, path, [ranges[place] for place in missing])
            self._fill(path, ranges, parts, missing, found)
            missing = _missing(parts)
        if missing:
            wanted_ranges = [ranges[place] for place in missing]
            fetched = await store.read_ranges(path, wanted_ranges)
            self._fill(path, ranges, parts, missing, fetched)
            self._keep(path, wanted_ranges, fetched)
        return [part for part in parts if part is not None]

    def forget(self, paths: Iterable[str]) -> None:
        """Let what is kept of these objects on the disk go, at some time soon: they are live no more."""
        gone = list(paths)
        if gone and self._disk is not None:
            self._later(partial(self._disk.forget, gone))

    def discard(self, path: str) -> None:
        """Have nothing of an object any more: it was found damaged, perhaps on its way from the store. Blocks."""
        self._small.forget_where(lambda key: key[0] == path)
        if self._disk is not None:
            # After those that are on their way to the disk.
            done = self._later(partial(self._disk.forget, [path]))
            if done is not None:
                done.result()

    def close(self) -> None:
        """Let go of the thread; what is on its way to the disk is dropped."""
        self._keeping.shutdown(cancel_futures=True)

    def _fill(
        self,
        path: str,
        ranges: Sequence[Range],
        parts: list[bytes | None],
        places: Sequence[int],
        found: Sequence[bytes | None],
    ) -> None:
        for place, part in zip(places, found, strict=True):
            parts[place] = part
            if part is not None and len(part) <= SMALL_BYTES:
                self._small.keep((path, ranges[place]), part, len(part))

    def _keep(self, path: str, ranges: Sequence[Range], parts: Sequence[bytes]) -> None:
        """Bring ranges to the disk without making anybody wait."""
        disk = self._disk
        if disk is None or not self._queue_room.acquire(blocking=False):
            return

        def keep() -> None:
            self._queue_room.release()
            disk.keep(path, ranges, parts)

        self._later(keep)

    def _later(self, work: Callable[[], None]) -> Future[None] | None:
        """Have it done on the thread; None where that has ended, for then nothing is read either."""
        try:
            return self._keeping.submit(work)
        except RuntimeError:
            return None


def _missing(parts: Sequence[bytes | None]) -> list[int]:
    return [place for place, part in enumerate(parts) if part is None]
