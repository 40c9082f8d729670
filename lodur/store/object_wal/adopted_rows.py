"""Rows of a log that is adopted, on their way to segments: put into heads by tenant, written and committed by day.

For each day the manifest is read before its first rows are taken: those that it covers are left out, and the commit is
made only where it still covers as much. Start at `AdoptedRows`; not for several threads at a time.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from lodur.kernels.head import FrozenHead, Head
from lodur.kernels.push_decode import DecodedPush
from lodur.model.tenant import TenantId
from lodur.store.days import day_span
from lodur.store.manifest import Flushed, Manifest, with_flushed
from lodur.store.manifest_store import Committed, commit, sound_manifest
from lodur.store.object_store import ObjectStore
from lodur.store.store import Store


class AdoptionLost(Exception):
    """Another process adopts the log, has covered some of it meanwhile, or this one stops; nothing is lost."""


@dataclass(slots=True)
class _TenantRows:
    head: Head = field(default_factory=Head)
    known: dict[int, Committed | None] = field(default_factory=dict)
    accepted_from_ns: int | None = None
    """When the first of them was accepted."""


class AdoptedRows:
    """Rows of one writer's records, taken in their order. `check_place` raises Unavailable for a store that is away."""

    def __init__(self, store: Store, writer_id: str, check_place: Callable[[ObjectStore], None]) -> None:
        self._store = store
        self._writer_id = writer_id
        self._check_place = check_place
        self._tenants: dict[TenantId, _TenantRows] = {}

    def take(self, tenant: TenantId, push: DecodedPush, seq: int, *, accepted_at_ns: int) -> None:
        """Take the rows of a record, but for the days that have them. Raises as `ObjectStore`, and CorruptData."""
        rows = self._tenants.setdefault(tenant, _TenantRows())
        days = push.days()
        for day in days:
            if day not in rows.known:
                known = self._store.tenant(tenant).known_day(day)
                rows.known[day] = sound_manifest(self._place(day), tenant, day, known)
        spans = [day_span(day) for day in days if self._covered(rows, day) >= seq]
        rows.accepted_from_ns = min(accepted_at_ns, rows.accepted_from_ns or accepted_at_ns)
        rows.head.insert(push, skip=[(span.start_ns, span.end_ns) for span in spans])

    def bytes(self) -> int:
        """Of lines and metadata."""
        return sum(rows.head.stats().bytes for rows in self._tenants.values())

    def flush(self, up_to_seq: int) -> Iterator[int]:
        """Bring all rows into committed segments, which cover the records up to a number; gives the rows of each.

        Raises AdoptionLost where another has covered some of them meanwhile, as `ObjectStore`, and CorruptData.
        """
        while self._tenants:
            tenant, rows = self._tenants.popitem()
            frozen = rows.head.freeze()
            if frozen is not None:
                for day in frozen.days():
                    yield self._flush_day(tenant, rows, frozen, day, up_to_seq)

    def _place(self, day: int) -> ObjectStore:
        store = self._store.writer.stores.of_day(day)
        self._check_place(store)
        return store

    def _covered(self, rows: _TenantRows, day: int) -> int:
        committed = rows.known[day]
        return committed.manifest.covered.get(self._writer_id, 0) if committed is not None else 0

    def _flush_day(self, tenant: TenantId, rows: _TenantRows, frozen: FrozenHead, day: int, up_to_seq: int) -> int:
        writer, store = self._store.writer, self._place(day)
        # A name of this process's own: two that adopt one log must not write one object.
        segment_id = f"{writer.prefix()}-a{uuid.uuid4().hex[:15]}"
        segment = writer.write_day(tenant, frozen, day, segment_id, accepted_from_ns=rows.accepted_from_ns or 0)
        if segment is None:
            return 0
        change = partial(_adopted, Flushed(segment, self._writer_id, up_to_seq), self._covered(rows, day))
        committed = commit(store, tenant, day, rows.known[day], change)
        manifest = committed.manifest
        named = {one.path for one in manifest.segments} | {one.path for one in manifest.removed}
        if segment.path not in named:
            store.delete(segment.path)
            raise AdoptionLost(f"rows of tenant {tenant} were flushed by another process meanwhile")
        self._store.adopt(self._store.tenant(tenant), day, committed)
        self._store.journal.committed(tenant.value, [day])
        return segment.rows


def _adopted(flushed: Flushed, expected_seq: int, manifest: Manifest) -> Manifest:
    """The manifest with a segment that was made where so many records were covered; unchanged where others are."""
    if manifest.covered.get(flushed.writer_id, 0) != expected_seq:
        return manifest
    return with_flushed(manifest, flushed)
