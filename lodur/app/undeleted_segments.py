"""Segments for programs that know nothing of delete requests: without the entries that these hide.

A segment that has such entries is written anew into a directory of the caller, by the same kernels that the compactor
uses, or left out where nothing of it remains; all others are read where they lie. Nothing in the store changes.
Start at `without_deleted`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lodur.app.segment_files import SegmentFile
from lodur.kernels.compact import Cancel, merge_segments
from lodur.kernels.deletes import Deletes
from lodur.model.clock import SystemClock
from lodur.model.errors import CorruptData, Unavailable
from lodur.model.limits import DeletionMode
from lodur.model.tenant import TenantId
from lodur.query.delete_queries import plan_of_request
from lodur.store.compaction.deleting import with_filter
from lodur.store.compaction.merging import CODEC
from lodur.store.compaction.options import KEEP_ALL
from lodur.store.compaction.retention import keep_rules
from lodur.store.deletes.deletions import Deletions
from lodur.store.object_stores import ObjectStores
from lodur.store.open_segments import OpenSegments
from lodur.store.whole_segments import DamagedSegment, MissingSegment, opened_whole

ZSTD_LEVEL = 1
"""They are read once."""


def without_deleted(
    stores: ObjectStores, tenant: TenantId, files: Sequence[SegmentFile], mode: DeletionMode, directory: Path
) -> list[SegmentFile]:
    """The segments as a query shows them. Raises CorruptData, and as `ObjectStore`."""
    deletions = Deletions(stores.oldest(), plan_of_request, SystemClock(), mode_of=lambda _: mode)
    if not deletions.refresh(tenant).requests:
        return list(files)
    segments = OpenSegments(on_damage=lambda: None)
    try:
        found = (_without_deleted(deletions, segments, tenant, file, directory) for file in files)
        return [file for file in found if file is not None]
    finally:
        segments.close()
        deletions.close()


def _without_deleted(
    deletions: Deletions, segments: OpenSegments, tenant: TenantId, file: SegmentFile, directory: Path
) -> SegmentFile | None:
    requests = deletions.hiding(tenant, file.meta.min_ts_ns, file.meta.max_ts_ns + 1)
    deletes = deletions.for_segment(tenant, file.meta, requests)
    if deletes is None:
        return file
    opened = segments.open_all([(file.store, file.meta)]).segments
    if opened:
        covered, open_rows = deletes.effect(with_filter(opened[0], file.meta, file.store, deletes))
        if not open_rows and not any(covered):
            return file
        if sum(covered) == file.meta.rows:
            return None
    return _written(file, deletes, directory)


def _written(file: SegmentFile, deletes: Deletes, directory: Path) -> SegmentFile | None:
    """The segment written anew; None where all of it was deleted."""
    target = directory / f"{file.meta.path.replace('/', '%')}.undeleted"
    try:
        with opened_whole(file.store, file.meta) as segment:
            merged = merge_segments(
                [segment.without(deletes)],
                target,
                start_ns=file.meta.min_ts_ns,
                end_ns=file.meta.max_ts_ns + 1,
                keep=keep_rules(KEEP_ALL, 0),
                codec=CODEC,
                zstd_level=ZSTD_LEVEL,
                cancel=Cancel(),
            )
    except DamagedSegment as error:
        raise CorruptData(str(error), path=file.meta.path) from error
    except MissingSegment as error:
        raise Unavailable(f"{file.meta.path} has been replaced meanwhile, try again") from error
    return replace(file, path=str(target)) if merged.written is not None else None
