"""Segments opened for reading: those used last stay open, damaged ones are set aside.

The directory of a segment of a remote store is fetched once and kept in memory, its pages when a scan wants them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from lodur.kernels.segment import Segment
from lodur.model.errors import CorruptData, NotFound
from lodur.store.manifest import SegmentMeta
from lodur.store.object_store import ObjectStore

SEGMENTS_OPEN_MAX = 4096
"""Directories kept in memory, at some ten to a hundred kilobytes each."""

TAIL_BYTES = 256 * 1024
"""Of a remote segment's end that are fetched at once: footer and directory of most segments lie in it."""

OPEN_THREADS = 16
"""Remote segments opened at the same time: they wait for the network, not for the processor."""

_FOOTER_TAIL_BYTES = 8

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RemoteSegment:
    """A segment whose directory is in memory and whose pages lie in a remote store."""

    segment: Segment
    path: str
    store: ObjectStore
    on_missing: Callable[[str], None]

    async def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, bytes]]:
        """The bytes at each (offset, length), as (offset, bytes), in the same order.

        Raises Unavailable, and NotFound where the object is gone: others are in its place, and sources are to be asked
        for anew.
        """
        try:
            parts = await self.store.read_ranges(self.path, ranges)
        except NotFound:
            self.on_missing(self.path)
            raise
        return [(offset, part) for (offset, _), part in zip(ranges, parts, strict=True)]


OpenSegment = Segment | RemoteSegment
Place = tuple[ObjectStore, SegmentMeta]


@dataclass(frozen=True, slots=True)
class Opened:
    """Segments, and those of the wanted ones whose object is not there."""

    segments: list[OpenSegment]
    missing: list[SegmentMeta]


class OpenSegments:
    """Segments by path. All methods may be called from any thread; `open_all` blocks."""

    def __init__(self, *, on_damage: Callable[[], None]) -> None:
        self._on_damage = on_damage
        self._lock = threading.Lock()
        self._open: OrderedDict[str, OpenSegment] = OrderedDict()
        self._set_aside: dict[str, str] = {}
        self._threads = ThreadPoolExecutor(OPEN_THREADS, "open-segment")

    def cached(self, places: Sequence[Place]) -> list[OpenSegment] | None:
        """The segments without those set aside; None where one must be opened first."""
        found: list[OpenSegment] = []
        with self._lock:
            for _, meta in places:
                if meta.path in self._set_aside:
                    continue
                segment = self._open.get(meta.path)
                if segment is None:
                    return None
                self._open.move_to_end(meta.path)
                found.append(segment)
        return found

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
        with self._lock:
            for path in paths:
                self._open.pop(path, None)
                self._set_aside.pop(path, None)

    def put_aside(self, meta: SegmentMeta, reason: str) -> None:
        """Leave a segment out from now on, for it cannot be read."""
        with self._lock:
            is_new = meta.path not in self._set_aside
            self._set_aside[meta.path] = reason
            self._open.pop(meta.path, None)
        if is_new:
            self._on_damage()
            _log.error("segment set aside, queries go on without its rows", path=meta.path, rows=meta.rows, err=reason)

    def set_aside(self) -> dict[str, str]:
        """Paths that are not read, and why."""
        with self._lock:
            return dict(self._set_aside)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

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
            segment = _opened_twice(store, meta, self._on_missing)
        except CorruptData as error:
            self.put_aside(meta, str(error))
            return None
        except (NotFound, FileNotFoundError):
            return meta
        with self._lock:
            self._open[meta.path] = segment
            while len(self._open) > SEGMENTS_OPEN_MAX:
                self._open.popitem(last=False)
        return segment

    def _on_missing(self, path: str) -> None:
        self.forget([path])


def _opened_twice(store: ObjectStore, meta: SegmentMeta, on_missing: Callable[[str], None]) -> OpenSegment:
    """What seems damaged is read once more, for the damage may have come about on the way."""
    try:
        return _open(store, meta, on_missing)
    except CorruptData:
        return _open(store, meta, on_missing)


def _open(store: ObjectStore, meta: SegmentMeta, on_missing: Callable[[str], None]) -> OpenSegment:
    local = store.local_path(meta.path)
    if local is not None:
        return Segment.open_file(local)
    size = meta.file_bytes
    try:
        segment = _open_remote(store, meta.path, size)
    except CorruptData as error:
        if error.path:
            raise
        # The core does not know yet what it is given.
        raise CorruptData(f"{meta.path}{error}", path=meta.path, offset=error.offset) from error
    return RemoteSegment(segment, meta.path, store, on_missing)


def _open_remote(store: ObjectStore, path: str, size: int) -> Segment:
    tail_at = max(0, size - TAIL_BYTES)
    tail = store.get_ranges(path, [(tail_at, size - tail_at)])[0]

    def part(offset: int, length: int) -> bytes:
        if offset >= tail_at:
            return tail[offset - tail_at :][:length]
        return store.get_ranges(path, [(offset, length)])[0]

    footer = part(*Segment.footer_range(tail[-_FOOTER_TAIL_BYTES:], size))
    directory = part(*Segment.directory_range(footer, size))
    return Segment.from_parts(path, footer, directory, size)
