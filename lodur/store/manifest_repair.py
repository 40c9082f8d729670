"""Rebuild the manifest of a day from the day's segments where its own bytes are damaged.

Nothing that a segment holds is lost so. What the manifest knew besides is: how far the WALs are in the segments, and
which objects only wait to be deleted. Rows may therefore lie in two segments, or come back from the WAL once more;
equal entries are one to queries and merges. Expired ones are found anew. The damaged bytes are kept beside.
Start at `rebuilt_manifest`.
"""

from __future__ import annotations

import re
import zlib

import structlog

from lodur.model.tenant import TenantId
from lodur.store.days import day_name, day_span
from lodur.store.manifest import Manifest, SegmentMeta
from lodur.store.object_store import ListedObject, ObjectStore
from lodur.store.whole_segments import DamagedSegment, MissingSegment, opened_whole

REVISIONS_SKIPPED = 1 << 20
"""A manifest counts as newer by its revision, and of the damaged one's not every digit can be trusted."""

REVISION_UNKNOWN = 1 << 40

SUFFIX = ".parquet"

_REVISION = re.compile(rb'"revision": (\d{1,15})\b')

_log = structlog.get_logger(__name__)


def rebuilt_manifest(store: ObjectStore, tenant: TenantId, day: int, damaged: bytes) -> Manifest:
    """A manifest that names every segment of the day. Raises as `ObjectStore`."""
    name = day_name(day)
    folder = f"{tenant}/segments/{name}"
    listed = {one.path for one in store.list_objects(folder) if one.path.endswith(SUFFIX)}
    # What was written a moment ago may be missing in a listing, but is named in what is left of the manifest.
    named = {path for quoted in _PATH.findall(damaged) if (path := quoted.decode()).startswith(f"{folder}/")}
    segments = tuple(meta for path in sorted(listed | named) if (meta := _meta_of(store, path, day)) is not None)
    found = [int(digits) for digits in _REVISION.findall(damaged)]
    revision = max(found, default=REVISION_UNKNOWN) + REVISIONS_SKIPPED
    return Manifest(name, tuple(sorted(segments, key=lambda meta: meta.id)), revision=revision)


def keep_damaged(store: ObjectStore, tenant: TenantId, day: int, damaged: bytes) -> str:
    """Put the bytes where people find them; the path. Raises as `ObjectStore`."""
    path = f"{tenant}/damaged/manifest-{day_name(day)}-{zlib.crc32(damaged):08x}.json"
    store.replace_if(path, damaged, None)
    return path


def _meta_of(store: ObjectStore, listed: ListedObject, day: int) -> SegmentMeta | None:
    """None for an object that is gone by now."""
    span = day_span(day)
    segment_id = listed.path.rpartition("/")[2].removesuffix(SUFFIX)
    unread = SegmentMeta(
        id=segment_id,
        path=listed.path,
        min_ts_ns=span.start_ns,
        max_ts_ns=span.end_ns - 1,
        rows=0,
        line_bytes=0,
        file_bytes=listed.size_bytes,
        streams=0,
        level=1 if "-m" in segment_id else 0,
    )
    try:
        with opened_whole(store, unread) as segment:
            return SegmentMeta(
                id=segment_id,
                path=listed.path,
                min_ts_ns=segment.min_ts_ns,
                max_ts_ns=segment.max_ts_ns,
                rows=segment.rows,
                line_bytes=segment.line_bytes,
                file_bytes=listed.size_bytes,
                streams=len(segment.streams()),
                level=unread.level,
            )
    except MissingSegment:
        return None
    except DamagedSegment as error:
        # It stays named, so that it is kept, and set aside by whoever opens it.
        _log.error("segment of a day whose manifest is rebuilt cannot be read", path=listed.path, err=str(error))
        return unread
