"""Write a generation of a head as segments, one for each UTC day, and commit them to the manifests.

Every step can be made again after a failure: the segment of a generation and day has always the same name, and a commit
that was made already changes nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import partial

from lodur.kernels.head import FrozenHead
from lodur.kernels.segment import write_segment
from lodur.model.tenant import TenantId
from lodur.store.checksums import file_crc32
from lodur.store.days import day_name, day_span, parse_day_name
from lodur.store.flush_level import FAST_ZSTD_LEVEL
from lodur.store.manifest import Flushed, Manifest, SegmentMeta, with_flushed
from lodur.store.manifest_store import Committed, commit
from lodur.store.object_stores import ObjectStores
from lodur.store.options import FlushOptions, SegmentCodec
from lodur.store.tenant_store import Generation, TenantStore

START_BYTES = 4

WRITER_CHARS = 8
"""Of the writer's id in the names of its segments: enough to tell the writers of one store apart."""


@dataclass(frozen=True, slots=True)
class SegmentWriter:
    """Where segments go and how they are written."""

    stores: ObjectStores
    writer_id: str
    options: FlushOptions
    start: str = field(default_factory=lambda: secrets.token_hex(START_BYTES))
    """Tells this start of the writer from its earlier ones: a write or a deletion of theirs that is still on its way to
    the store must not meet an object of this one."""

    def flush(
        self, tenant_store: TenantStore, generation: Generation, done: dict[int, Committed], *, threads: int = 1
    ) -> int:
        """Bring all rows of a generation into committed segments, on so many threads; how many bytes were written.

        `done` has the days that an earlier attempt committed, and gets those that this one does. Only when all are
        there may the tenant's rows be let go. Raises as `ObjectStore`.
        """
        written_bytes = 0
        days = generation.frozen.days()
        for day in days:
            if day in done:
                continue
            segment_id = f"{self.prefix()}-{generation.up_to_seq:016x}-{self.start}"
            segment = self.write_day(
                tenant_store.tenant,
                generation.frozen,
                day,
                segment_id,
                accepted_from_ns=generation.accepted_from_ns,
                zstd_level=generation.count.zstd_level(day, is_only_day=len(days) == 1),
                threads=threads,
            )
            flushed = Flushed(segment, self.writer_id, generation.up_to_seq)
            known = tenant_store.known_day(day)
            store = self.stores.of_day(day)
            done[day] = commit(store, tenant_store.tenant, day, known, partial(_with, flushed))
            written_bytes += segment.file_bytes if segment else 0
        return written_bytes

    def prefix(self) -> str:
        """What the ids of all its segments begin with."""
        return writer_prefix(self.writer_id)

    def write_day(
        self,
        tenant: TenantId,
        frozen: FrozenHead,
        day: int,
        segment_id: str,
        *,
        accepted_from_ns: int,
        zstd_level: int = FAST_ZSTD_LEVEL,
        threads: int = 1,
    ) -> SegmentMeta | None:
        """Write a day's rows as a segment that no manifest names yet; None where there are none.

        In: when the first of the rows was accepted, or before; the level counts with zstd. Raises as `ObjectStore`.
        """
        path = segment_path(tenant, day, segment_id)
        store, span = self.stores.of_day(day), day_span(day)
        spooled = store.spool(path)
        spooled.unlink(missing_ok=True)
        codec = self.options.codec
        written = write_segment(
            frozen,
            spooled,
            start_ns=span.start_ns,
            end_ns=span.end_ns,
            codec=codec.value,
            zstd_level=zstd_level,
            threads=threads,
        )
        if written is None:
            return None
        crc32 = file_crc32(spooled)
        store.put_file(path, spooled)
        return SegmentMeta(
            id=segment_id,
            path=path,
            min_ts_ns=written.min_ts_ns,
            max_ts_ns=written.max_ts_ns,
            rows=written.rows,
            line_bytes=written.line_bytes,
            file_bytes=written.file_bytes,
            streams=written.streams,
            level=0,
            zstd_level=zstd_level if codec is SegmentCodec.ZSTD else 0,
            accepted_from_ns=accepted_from_ns,
            crc32=crc32,
        )


def writer_prefix(writer_id: str) -> str:
    """What the ids of a writer's segments begin with."""
    return writer_id.replace("-", "")[:WRITER_CHARS]


def is_written_by(writer_id: str, path: str) -> bool:
    """Whether a segment was written by a writer."""
    return path.rpartition("/")[2].startswith(f"{writer_prefix(writer_id)}-")


def segment_folder(tenant: TenantId) -> str:
    return f"{tenant}/segments"


def segment_path(tenant: TenantId, day: int, segment_id: str) -> str:
    return f"{segment_folder(tenant)}/{day_name(day)}/{segment_id}.parquet"


def segment_key(path: str) -> str:
    """What tells a tenant's segments apart, from a path in a store or on a disk: day and name."""
    return "/".join(path.rsplit("/", 2)[-2:])


def segment_day(path: str) -> int | None:
    """The day of a segment; None for what lies elsewhere than segments do."""
    folders = path.split("/")
    return parse_day_name(folders[2]) if len(folders) == 4 else None


def _with(flushed: Flushed, manifest: Manifest) -> Manifest:
    return with_flushed(manifest, flushed)
