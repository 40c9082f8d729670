"""Rebuild the manifest of a day from the day's segments where neither its own bytes nor the copy in it are whole.

Nothing that a segment holds is lost so. What the manifest knew besides is: how far the WALs are in the segments, and
which objects only wait to be deleted. Rows may therefore lie in two segments, or come back from the WAL once more:
log queries show them once, metric queries count them twice until they are merged. Expired ones are found anew. The
damaged bytes are kept beside.
Start at `rebuilt_manifest`.
"""

from __future__ import annotations

import re

import structlog

from lodur.model.tenant import TenantId
from lodur.store.days import day_name, day_span
from lodur.store.manifest import Manifest, SegmentMeta
from lodur.store.object_store import ObjectStore
from lodur.store.summed_json import put_damaged_aside
from lodur.store.whole_segments import DamagedSegment, MissingSegment, opened_whole

REVISIONS_SKIPPED = 1 << 20
"""A manifest counts as newer by its revision, and of the damaged one's not every digit can be trusted."""

REVISION_UNKNOWN = 1 << 40

SUFFIX = ".parquet"

_SEGMENT_FILE = re.compile(rb"/([0-9a-zA-Z-]+\.parquet)\"")
_REVISION = re.compile(rb'"revision": (\d{1,15})\b')

_log = structlog.get_logger(__name__)


def rebuilt_manifest(
    store: ObjectStore, tenant: TenantId, day: int, damaged: bytes, *, known_revision: int = 0
) -> Manifest:
    """A manifest that names every segment of the day, newer than what is known of it. Raises as `ObjectStore`."""
    name = day_name(day)
    folder = f"{tenant}/segments/{name}"
    listed = {one.path: one.size_bytes for one in store.list_objects(folder) if one.path.endswith(SUFFIX)}
    # What was written a moment ago may be missing in a listing, but is named in what is left of the manifest.
    named = {f"{folder}/{file.decode()}" for file in _SEGMENT_FILE.findall(damaged)}
    for path in sorted(named - listed.keys()):
        if (found := store.get(path)) is not None:
            listed[path] = len(found.data)
    segments = tuple(meta for path in sorted(listed) if (meta := _meta_of(store, path, listed[path], day)) is not None)
    return Manifest(name, segments, revision=newer_revision(damaged, known_revision))


def newer_revision(damaged: bytes, known_revision: int) -> int:
    """A revision that counts as newer than that of a damaged document, and than one that is known."""
    revisions = [int(digits) for digits in _REVISION.findall(damaged)]
    return max(*revisions, known_revision, 0 if revisions else REVISION_UNKNOWN, 0) + REVISIONS_SKIPPED


def keep_damaged(store: ObjectStore, tenant: TenantId, day: int, damaged: bytes) -> str:
    """Put the bytes where people find them; the path. Raises as `ObjectStore`."""
    return put_damaged_aside(store, tenant, f"manifest-{day_name(day)}", damaged)


def _meta_of(store: ObjectStore, path: str, size_bytes: int, day: int) -> SegmentMeta | None:
    """None for an object that is gone by now."""
    span = day_span(day)
    segment_id = path.rpartition("/")[2].removesuffix(SUFFIX)
    unread = SegmentMeta(
        id=segment_id,
        path=path,
        min_ts_ns=span.start_ns,
        max_ts_ns=span.end_ns - 1,
        rows=0,
        line_bytes=0,
        file_bytes=size_bytes,
        streams=0,
        level=1 if "-m" in segment_id else 0,
    )
    try:
        with opened_whole(store, unread) as segment:
            return SegmentMeta(
                id=segment_id,
                path=path,
                min_ts_ns=segment.min_ts_ns,
                max_ts_ns=segment.max_ts_ns,
                rows=segment.rows,
                line_bytes=segment.line_bytes,
                file_bytes=size_bytes,
                streams=len(segment.streams()),
                level=unread.level,
            )
    except MissingSegment:
        return None
    except DamagedSegment as error:
        # It stays named, so that it is kept, and set aside by whoever opens it.
        _log.error("segment of a day whose manifest is rebuilt cannot be read", path=path, err=str(error))
        return unread
