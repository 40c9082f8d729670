"""Segments for programs that know nothing of delete requests: without the entries that these hide.

A segment that has such entries is written anew into a directory of the caller, by the same kernels that the compactor
uses, or left out where nothing of it remains; all others are read where they lie. Nothing in the store changes.
Start at `without_deleted`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lodur.kernels.compact import Cancel, merge_segments
from lodur.kernels.deletes import Deletes
from lodur.model.errors import CorruptData, Unavailable
from lodur.model.tenant import TenantId
from lodur.store.compaction.deleting import Effect, with_filter
from lodur.store.compaction.merging import CODEC
from lodur.store.compaction.options import KEEP_ALL
from lodur.store.compaction.retention import keep_rules
from lodur.store.deletes.deletions import Deletions
from lodur.store.manifest import SegmentMeta
from lodur.store.object_store import ObjectStore
from lodur.store.open_segments import OpenSegments, Place
from lodur.store.whole_segments import DamagedSegment, MissingSegment, opened_whole

ZSTD_LEVEL = 1
"""They are read once."""


@dataclass(frozen=True, slots=True)
class Undeleted:
    """A segment, and where it is without what was deleted; None: where it always is."""

    store: ObjectStore
    meta: SegmentMeta
    copy: Path | None


def without_deleted(
    deletions: Deletions, tenant: TenantId, places: Sequence[Place], directory: Path
) -> list[Undeleted]:
    """The segments as a query shows them. Blocks. Raises CorruptData, and as `ObjectStore`."""
    if not deletions.refresh(tenant).requests:
        return [Undeleted(store, meta, None) for store, meta in places]
    segments = OpenSegments(on_damage=lambda: None)
    try:
        return [found for place in places for found in _undeleted(deletions, segments, tenant, place, directory)]
    finally:
        segments.close()


def _undeleted(
    deletions: Deletions, segments: OpenSegments, tenant: TenantId, place: Place, directory: Path
) -> Iterator[Undeleted]:
    store, meta = place
    hiding = deletions.hiding(tenant, meta.min_ts_ns, meta.max_ts_ns + 1)
    requests = tuple(request for request in hiding if request.concerns(meta))
    deletes = deletions.compiled(tenant, requests)
    if deletes is None:
        yield Undeleted(store, meta, None)
        return
    for opened in segments.open_all([place]).segments:
        covered, open_rows = deletes.effect(with_filter(opened, meta, store, deletes))
        effect = Effect(requests, tuple(covered), open_rows)
        if effect.clears():
            yield Undeleted(store, meta, None)
            return
        if effect.drops(meta):
            return
    target = directory / f"{meta.path.replace('/', '%')}.undeleted"
    if _write(place, deletes, target):
        yield Undeleted(store, meta, target)


def _write(place: Place, deletes: Deletes, target: Path) -> bool:
    """Write a segment anew without what was deleted; whether there is anything left of it."""
    store, meta = place
    try:
        with opened_whole(store, meta) as segment:
            merged = merge_segments(
                [segment.without(deletes)],
                target,
                start_ns=meta.min_ts_ns,
                end_ns=meta.max_ts_ns + 1,
                keep=keep_rules(KEEP_ALL, 0),
                codec=CODEC,
                zstd_level=ZSTD_LEVEL,
                cancel=Cancel(),
            )
    except DamagedSegment as error:
        raise CorruptData(str(error), path=meta.path) from error
    except MissingSegment as error:
        raise Unavailable(f"{meta.path} has been replaced meanwhile, try again") from error
    return merged.written is not None
