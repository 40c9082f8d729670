"""Segments opened for reading: those used last stay open, damaged ones are set aside.

The directory of a segment of a remote store is fetched once and kept in memory, its pages when a scan wants them; both
come through the caches of `segment_reads`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry

from lodur.kernels.segment import Segment
from lodur.model.errors import CorruptData, NotFound
from lodur.model.limits import MIB
from lodur.store.manifest import SegmentMeta
from lodur.store.memory_cache import MemoryCache
from lodur.store.object_store import ObjectStore
from lodur.store.segment_reads import SegmentReads
from lodur.telemetry.store_metrics import CacheMetrics

SEGMENTS_OPEN_MAX = 4096
"""Segments kept open: a local one is an open file."""

METADATA_BYTES_MAX = 512 * MIB
"""Of directories in memory, where nothing else is said: of a terabyte of lines."""

BLOCK_BYTES = 1024
STREAM_BYTES = 512
"""Of a directory in memory, a block and a stream with their runs: measured, and rounded up."""

TAIL_SHARE = 1024
TAIL_BYTES_MIN = 64 * 1024
TAIL_BYTES_MAX = 1 * MIB
"""Of a remote segment's end that are fetched at once: one part in so many of it, where footer and directory of most
segments take half of that; those of more streams are fetched in two requests more."""

OPEN_THREADS = 32
"""Remote segments opened at the same time: they wait for the network, not for the processor."""

_FOOTER_TAIL_BYTES = 8

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RemoteSegment:
    """A segment whose directory is in memory and whose pages lie in a remote store."""

    segment: Segment
    path: str
    store: ObjectStore
    reads: SegmentReads
    on_missing: Callable[[str], None]

    async def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, bytes]]:
        """The bytes at each (offset, length), as (offset, bytes), in the same order.

        Raises Unavailable, and NotFound where the object is gone: others are in its place, and sources are to be asked
        for anew.
        """
        try:
            parts = await self.reads.read(self.store, self.path, ranges)
        except NotFound:
            self.on_missing(self.path)
            raise
        return [(offset, part) for (offset, _), part in zip(ranges, parts, strict=True)]

    def discard(self) -> None:
        """Have nothing cached of the segment any more."""
        self.reads.discard(self.path)


OpenSegment = Segment | RemoteSegment
Place = tuple[ObjectStore, SegmentMeta]


@dataclass(frozen=True, slots=True)
class Opened:
    """Segments, and those of the wanted ones whose object is not there."""

    segments: list[OpenSegment]
    missing: list[SegmentMeta]


class OpenSegments:
    """Segments by path. All methods may be called from any thread; `open_all` blocks."""

    def __init__(
        self,
        *,
        on_damage: Callable[[], None],
        reads: SegmentReads | None = None,
        metadata_bytes_max: int = METADATA_BYTES_MAX,
        metrics: CacheMetrics | None = None,
    ) -> None:
        metrics = metrics or CacheMetrics(CollectorRegistry())
        self._on_damage = on_damage
        self._reads = reads or SegmentReads(0, None, metrics)
        self._lock = threading.Lock()
        self._open: MemoryCache[str, OpenSegment] = MemoryCache(
            "metadata", metadata_bytes_max, metrics, entries_max=SEGMENTS_OPEN_MAX
        )
        self._set_aside: dict[str, str] = {}
        self._threads = ThreadPoolExecutor(OPEN_THREADS, "open-segment")

    def cached(self, places: Sequence[Place]) -> list[OpenSegment] | None:
        """The segments without those set aside; None where one must be opened first."""
        with self._lock:
            paths = [meta.path for _, meta in places if meta.path not in self._set_aside]
        found = [segment for segment in self._open.find(paths) if segment is not None]
        return found if len(found) == len(paths) else None

    def open_all(self, places: Sequence[Place]) -> Opened:
        """The segments, opened; those that are damaged are left out and logged once. Raises Unavailable."""
        opened = Opened([], [])
        for found in self._threads.map(self._opened, places):
            if isinstance(found, SegmentMeta):
                opened.missing.append(found)
            elif found is not None:
                opened.segments.append(found)
        return opened

    def forget(self, paths: Iterable[str]) -> None:
        """Keep these open no longer: they are live no more."""
        gone = list(paths)
        self._open.forget(gone)
        self._reads.forget(gone)
        with self._lock:
            for path in gone:
                self._set_aside.pop(path, None)

    def put_aside(self, meta: SegmentMeta, reason: str) -> None:
        """Leave a segment out from now on, for it cannot be read."""
        self._reads.discard(meta.path)
        with self._lock:
            is_new = meta.path not in self._set_aside
            self._set_aside[meta.path] = reason
        self._open.forget([meta.path])
        if is_new:
            self._on_damage()
            _log.error("segment set aside, queries go on without its rows", path=meta.path, rows=meta.rows, err=reason)

    def set_aside(self) -> dict[str, str]:
        """Paths that are not read, and why."""
        with self._lock:
            return dict(self._set_aside)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._reads.close()

    def _opened(self, place: Place) -> OpenSegment | SegmentMeta | None:
        """The segment; None where it is set aside, its description where its object is missing."""
        store, meta = place
        with self._lock:
            if meta.path in self._set_aside:
                return None
        known = self._open.get(meta.path)
        if known is not None:
            return known
        try:
            segment = self._read_twice(store, meta)
        except CorruptData as error:
            self.put_aside(meta, str(error))
            return None
        except (NotFound, FileNotFoundError):
            return meta
        opened = segment if isinstance(segment, Segment) else segment.segment
        self._open.keep(meta.path, segment, opened.blocks * BLOCK_BYTES + meta.streams * STREAM_BYTES)
        return segment

    def _read_twice(self, store: ObjectStore, meta: SegmentMeta) -> OpenSegment:
        """What seems damaged is read once more from its store: the damage may have come about on the way."""
        try:
            return self._read(store, meta)
        except CorruptData:
            self._reads.discard(meta.path)
        try:
            return self._read(store, meta)
        except CorruptData as error:
            if error.path:
                raise
            # The core was not told yet what it is given.
            raise CorruptData(f"{meta.path}{error}", path=meta.path, offset=error.offset) from error

    def _read(self, store: ObjectStore, meta: SegmentMeta) -> OpenSegment:
        local = store.local_path(meta.path)
        if local is not None:
            return Segment.open_file(local)
        size = meta.file_bytes
        tail_at = max(0, size - min(max(size // TAIL_SHARE, TAIL_BYTES_MIN), TAIL_BYTES_MAX))
        tail = self._reads.get(store, meta.path, (tail_at, size - tail_at))

        def part(offset: int, length: int) -> bytes:
            if offset >= tail_at:
                return tail[offset - tail_at :][:length]
            return self._reads.get(store, meta.path, (offset, length))

        footer = part(*Segment.footer_range(tail[-_FOOTER_TAIL_BYTES:], size))
        directory = part(*Segment.directory_range(footer, size))
        segment = Segment.from_parts(meta.path, footer, directory, size)
        return RemoteSegment(segment, meta.path, store, self._reads, self._on_missing)

    def _on_missing(self, path: str) -> None:
        self.forget([path])
