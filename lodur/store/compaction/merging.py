"""Carry out one compaction: fetch its inputs where they lie elsewhere, merge them, store what comes out.

Nothing is committed here: until a manifest names them, outputs are objects that nobody reads. Start at `Merger.merge`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace

from lodur.kernels.compact import Cancel, KeepRules, SegmentsMerged, merge_segments
from lodur.kernels.segment import Segment
from lodur.model.errors import CorruptData, LodurError
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.store.checksums import file_crc32
from lodur.store.compaction.deleting import Taken, TenantDeletes
from lodur.store.compaction.policy import Compaction
from lodur.store.manifest import SegmentMeta
from lodur.store.object_store import ObjectStore
from lodur.store.segment_flush import segment_path
from lodur.store.whole_segments import DamagedSegment, opened_whole

CODEC = "zstd"
"""Of merged segments, whatever the codec of flushed ones is: merged once, they are read for years."""


@dataclass(frozen=True, slots=True)
class MergeOutcome:
    """What is to take the place of the inputs, and what became of their rows."""

    outputs: tuple[SegmentMeta, ...]
    rows_read: int
    rows_expired: int
    rows_repeated: int
    rows_copied: int
    """Of those that were read, those whose blocks went over as they were."""
    rows_deleted: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By path of the input and id of the delete request."""

    @property
    def deleted_rows(self) -> int:
        return sum(rows for by_request in self.rows_deleted.values() for rows in by_request.values())

    @property
    def written_bytes(self) -> int:
        return sum(segment.file_bytes for segment in self.outputs)


class Merger:
    """Merges segments; `prefix` begins the ids of what it writes."""

    def __init__(self, owner: str, prefix: str, cancel: Cancel) -> None:
        self.owner = owner
        """Stands in the claims of this process."""
        self._prefix = prefix
        self._cancel = cancel

    def merge(
        self,
        store: ObjectStore,
        tenant: TenantId,
        day: int,
        compaction: Compaction,
        keep: KeepRules,
        deletes: TenantDeletes | None = None,
    ) -> MergeOutcome:
        """Write the outputs; what was written is removed again where anything is raised.

        Raises DamagedSegment, MissingSegment, DeadlineExceeded when cancelled, and as `ObjectStore`.
        """
        if not compaction.spans:
            return MergeOutcome((), 0, 0, 0, 0)
        taken = deletes.taken(compaction.inputs) if deletes is not None else [None] * len(compaction.inputs)
        through = deletes.through if deletes is not None else 0
        outputs: list[SegmentMeta] = []
        merges: list[SegmentsMerged] = []
        try:
            with ExitStack() as stack:
                whole = [stack.enter_context(opened_whole(store, meta)) for meta in compaction.inputs]
                inputs = [
                    segment if one is None else segment.without(one.deletes)
                    for segment, one in zip(whole, taken, strict=True)
                ]
                for span in compaction.spans:
                    with _blamed(inputs, compaction):
                        merged, output = self._write(store, tenant, day, compaction, span, inputs, keep)
                    merges.append(merged)
                    outputs += [replace(output, deletes_through=through)] if output is not None else []
                self._check_complete(compaction, whole, merges)
        except BaseException:
            self.discard(store, outputs)
            raise
        return MergeOutcome(
            tuple(outputs),
            sum(merged.rows_read for merged in merges),
            sum(merged.rows_expired for merged in merges),
            sum(merged.rows_repeated for merged in merges),
            sum(merged.rows_copied for merged in merges),
            _deleted(compaction, taken, merges),
        )

    def discard(self, store: ObjectStore, outputs: list[SegmentMeta]) -> None:
        """Delete what no manifest names. What cannot be deleted now is found as this writer's orphan at its start."""
        for output in outputs:
            with suppress(LodurError):
                store.delete(output.path)

    def _write(
        self,
        store: ObjectStore,
        tenant: TenantId,
        day: int,
        compaction: Compaction,
        span: TimeSpan,
        inputs: list[Segment],
        keep: KeepRules,
    ) -> tuple[SegmentsMerged, SegmentMeta | None]:
        segment_id = f"{self._prefix}-m{uuid.uuid4().hex[:15]}"
        path = segment_path(tenant, day, segment_id)
        spooled = store.spool(path)
        merged = merge_segments(
            inputs,
            spooled,
            start_ns=span.start_ns,
            end_ns=span.end_ns,
            keep=keep,
            codec=CODEC,
            zstd_level=compaction.zstd_level,
            cancel=self._cancel,
        )
        written = merged.written
        if written is None:
            return merged, None
        try:
            crc32 = file_crc32(spooled)
            store.put_file(path, spooled)
        except BaseException:
            spooled.unlink(missing_ok=True)
            raise
        return merged, SegmentMeta(
            id=segment_id,
            path=path,
            min_ts_ns=written.min_ts_ns,
            max_ts_ns=written.max_ts_ns,
            rows=written.rows,
            line_bytes=written.line_bytes,
            file_bytes=written.file_bytes,
            streams=written.streams,
            level=max(segment.level for segment in compaction.inputs) + 1,
            zstd_level=compaction.zstd_level,
            accepted_from_ns=min(segment.accepted_from_ns for segment in compaction.inputs),
            crc32=crc32,
        )

    def _check_complete(self, compaction: Compaction, whole: list[Segment], merges: list[SegmentsMerged]) -> None:
        """Every row was read, and is written, repeated, expired or deleted: else nothing may be replaced."""
        pairs = zip(compaction.inputs, whole, strict=True)
        expected = sum(segment.rows if meta.is_unread else meta.rows for meta, segment in pairs)
        read = sum(merged.rows_read for merged in merges)
        kept = sum(merged.written.rows if merged.written else 0 for merged in merges)
        gone = sum(merged.rows_expired + merged.rows_repeated for merged in merges)
        gone += sum(rows for merged in merges for by_request in merged.rows_deleted for rows in by_request)
        if read != expected or kept + gone != read:
            names = ", ".join(segment.path for segment in compaction.inputs)
            raise RuntimeError(f"merge of {names}: {expected} rows, {read} read, {kept} written, {gone} left out")


def _deleted(
    compaction: Compaction, taken: Sequence[Taken | None], merges: Sequence[SegmentsMerged]
) -> dict[str, dict[str, int]]:
    """Rows that delete requests took, by path of the input and id of the request."""
    found: dict[str, dict[str, int]] = {}
    for number, (meta, one) in enumerate(zip(compaction.inputs, taken, strict=True)):
        if one is not None:
            counts = [merged.rows_deleted[number] for merged in merges if merged.rows_deleted[number]]
            totals = (sum(by_place) for by_place in zip(*counts, strict=True))
            found[meta.path] = {request.id: rows for request, rows in zip(one.requests, totals, strict=False) if rows}
    return found


@contextmanager
def _blamed(inputs: list[Segment], compaction: Compaction) -> Iterator[None]:
    """Say which of the inputs is damaged."""
    try:
        yield
    except CorruptData as error:
        for segment, meta in zip(inputs, compaction.inputs, strict=True):
            if segment.path == error.path:
                raise DamagedSegment(meta, str(error).replace(error.path, meta.path)) from error
        raise
