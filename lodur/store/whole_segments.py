"""Segments to be read from end to end: where they lie in a remote store, a local copy as long as it is needed.

Queries read pages where they lie (see `open_segments`); merging and checking read all of them. Start at `opened_whole`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lodur.kernels.compact import Cancel, verify_segment
from lodur.kernels.segment import Segment
from lodur.model.errors import CorruptData, NotFound
from lodur.model.limits import MIB
from lodur.store.manifest import SegmentMeta
from lodur.store.object_store import ObjectStore

FETCH_BYTES = 8 * MIB
"""Of a remote segment that are in memory at a time on their way to the local disk."""


class DamagedSegment(Exception):
    """A segment cannot be read."""

    def __init__(self, segment: SegmentMeta, reason: str) -> None:
        super().__init__(reason)
        self.segment = segment


class MissingSegment(Exception):
    """The object is not there: another process has deleted it, or somebody else."""

    def __init__(self, segment: SegmentMeta) -> None:
        super().__init__(segment.path)
        self.segment = segment


@contextmanager
def opened_whole(store: ObjectStore, meta: SegmentMeta) -> Iterator[Segment]:
    """A segment whose every page is at hand. Raises DamagedSegment, MissingSegment, and as `ObjectStore`."""
    local = store.local_path(meta.path)
    if local is not None:
        yield _open(local, meta)
        return
    copy = store.spool(f"{meta.path}.whole")
    try:
        with copy.open("wb") as file:
            for offset in range(0, meta.file_bytes, FETCH_BYTES):
                length = min(FETCH_BYTES, meta.file_bytes - offset)
                file.write(_fetched(store, meta, offset, length))
        yield _open(copy, meta)
    finally:
        copy.unlink(missing_ok=True)


def damage_of(store: ObjectStore, meta: SegmentMeta) -> str | None:
    """What is damaged in a segment that is read from end to end; None for nothing.

    Raises MissingSegment, and as `ObjectStore`.
    """
    try:
        with opened_whole(store, meta) as segment:
            verify_segment(segment, Cancel())
    except (DamagedSegment, CorruptData) as error:
        return str(error)
    return None


def _open(path: Path, meta: SegmentMeta) -> Segment:
    try:
        return Segment.open_file(path)
    except CorruptData as error:
        raise DamagedSegment(meta, str(error).replace(str(path), meta.path)) from error
    except FileNotFoundError as error:
        raise MissingSegment(meta) from error


def _fetched(store: ObjectStore, meta: SegmentMeta, offset: int, length: int) -> bytes:
    try:
        return store.get_ranges(meta.path, [(offset, length)])[0]
    except NotFound as error:
        raise MissingSegment(meta) from error
