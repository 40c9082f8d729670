"""What lies in a store, told from its manifests and objects without a server: for operators. Nothing is changed.

A server may work on the store meanwhile; what it replaces in between is not taken for damage. Start at `days_in`
and `problem_of`; `check_tenant` is for a tenant whom somebody names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lodur.kernels.compact import Cancel, verify_segment
from lodur.kernels.segment import Segment
from lodur.model.errors import CorruptData, InvalidRequest, NotFound, Unauthenticated
from lodur.model.tenant import ANONYMOUS, TenantId
from lodur.store.manifest import Manifest, SegmentMeta
from lodur.store.manifest_store import read_manifest, stored_days
from lodur.store.object_store import ObjectStore
from lodur.store.object_stores import ObjectStores
from lodur.store.segment_flush import segment_day, segment_folder
from lodur.store.whole_segments import DamagedSegment, MissingSegment, opened_whole

TENANT_FOLDERS = ("manifest", "deletes", "rules", "state", "segments")
"""Of a tenant's, all but those of what was put aside, which is no tenant's alone: damaged leases are too."""

TENANTS_NAMED_MAX = 20
"""In a message."""


@dataclass(frozen=True, slots=True)
class StoredDay:
    """A tenant's day: its manifest, and where its objects are."""

    tenant: TenantId
    day: int
    manifest: Manifest
    store: ObjectStore


@dataclass(frozen=True, slots=True)
class SegmentProblem:
    """What is wrong with an object of a store."""

    path: str
    text: str
    is_damage: bool
    """Entries cannot be read; else there is only more than there should be."""


def days_in(stores: ObjectStores, only: TenantId | None = None) -> Iterator[StoredDay]:
    """All days of all tenants, or of one. Raises as `ObjectStore`, and CorruptData for a manifest."""
    for store in stores.each():
        for tenant in stored_tenants(store) if only is None else [only]:
            for day in stored_days(store, tenant):
                committed = read_manifest(store, tenant, day)
                if committed is not None and stores.of_day(day) is store:
                    yield StoredDay(tenant, day, committed.manifest, store)


def problem_of(stored: StoredDay, segment: SegmentMeta) -> SegmentProblem | None:
    """Read a live segment from end to end; what is wrong with it."""
    try:
        with opened_whole(stored.store, segment) as opened:
            rows = verify_segment(opened, Cancel())
    except (DamagedSegment, CorruptData) as error:
        return SegmentProblem(segment.path, str(error), is_damage=True)
    except MissingSegment:
        if _is_live(stored, segment):
            return SegmentProblem(segment.path, "there is no such object", is_damage=True)
        return None
    if rows != segment.rows and not segment.is_unread:
        return SegmentProblem(segment.path, f"{rows} rows, the manifest says {segment.rows}", is_damage=True)
    return None


def unknown_objects(store: ObjectStore, tenant: TenantId) -> Iterator[SegmentProblem]:
    """Objects of a tenant that no manifest names: of a crash, or of a flush or merge that is under way."""
    listed = store.list_objects(segment_folder(tenant))
    known: set[str] = set()
    for day in {day for one in listed if (day := segment_day(one.path)) is not None}:
        # Read after the objects were listed: what is committed by then is no orphan.
        committed = read_manifest(store, tenant, day)
        if committed is not None:
            manifest = committed.manifest
            known |= {one.path for one in manifest.segments} | {one.path for one in manifest.removed}
    for one in listed:
        if one.path not in known:
            yield SegmentProblem(one.path, f"{one.size_bytes} bytes that no manifest names", is_damage=False)


def _is_live(stored: StoredDay, segment: SegmentMeta) -> bool:
    committed = read_manifest(stored.store, stored.tenant, stored.day)
    return committed is not None and any(one.path == segment.path for one in committed.manifest.segments)


def stored_tenants(store: ObjectStore) -> list[TenantId]:
    """The folders of a store that are named as tenants are. Raises as `ObjectStore`."""
    tenants: list[TenantId] = []
    for name in store.list_folders(""):
        try:
            tenants.append(TenantId(name))
        except (InvalidRequest, Unauthenticated):
            continue
    return tenants


def has_objects(store: ObjectStore, tenant: TenantId) -> bool:
    """Whether there is something of a tenant: other folders are named as tenants could be, that of the WALs is."""
    return any(store.list_objects(f"{tenant}/{folder}") for folder in TENANT_FOLDERS)


def check_tenant(stores: ObjectStores, tenant: TenantId) -> None:
    """Raise NotFound, which names some that there are, for a tenant of whom the stores have nothing.

    Without authentication the one tenant is there before its first push. Raises as `ObjectStore` too.
    """
    if any(has_objects(store, tenant) for store in stores.each()):
        return
    named = tenant_names(_tenants_with_objects(stores))
    if named or tenant != ANONYMOUS:
        there = f"it has {named}" if named else "it has none yet"
        raise NotFound(f"there is no tenant '{tenant}' in the store, or nothing of it is flushed yet; {there}")


def _tenants_with_objects(stores: ObjectStores) -> Iterator[TenantId]:
    """Each once, found only as they are asked for: a store may have thousands."""
    seen: set[TenantId] = set()
    for store in stores.each():
        for tenant in stored_tenants(store):
            if tenant not in seen and has_objects(store, tenant):
                seen.add(tenant)
                yield tenant


def tenant_names(tenants: Iterable[TenantId]) -> str:
    """Tenants in a message: not more of them than people read."""
    shown = list(islice(tenants, TENANTS_NAMED_MAX + 1))
    names = ", ".join(tenant.value for tenant in shown[:TENANTS_NAMED_MAX])
    return f"{names} and others" if len(shown) > TENANTS_NAMED_MAX else names


@dataclass(frozen=True, slots=True)
class SegmentDirectory:
    """What a segment's file says of its rows."""

    rows: int
    label_sets: list[str]
    """By the number of their stream, printed."""
    metadata: list[str]
    """The names that have columns."""


def segment_directory(file: Path) -> SegmentDirectory:
    """The directory of a segment's file. Raises CorruptData."""
    segment = Segment.open_file(file)
    label_sets = [labels for labels, _ in segment.streams()]
    return SegmentDirectory(segment.rows, label_sets, [name for name, _ in segment.metadata_columns()])
