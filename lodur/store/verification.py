"""Check a whole store: every checksum, every reference of a manifest, and what no manifest names. Changes nothing.

A server may work on the store meanwhile: what it replaces in between is not taken for damage. Start at `Verification`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lodur.kernels.compact import Cancel, verify_segment
from lodur.kernels.segment import Segment
from lodur.model.errors import CorruptData
from lodur.model.tenant import TenantId
from lodur.store.checksums import file_crc32
from lodur.store.deletes.paths import deletes_folder
from lodur.store.inspection import check_tenant, has_objects, stored_tenants, unknown_objects
from lodur.store.manifest import DamagedManifest, Manifest, SegmentMeta, decode_manifest
from lodur.store.manifest_store import manifest_path, stored_days
from lodur.store.object_store import ObjectStore
from lodur.store.object_stores import ObjectStores
from lodur.store.object_wal.names import LEASES, LOGS
from lodur.store.summed_json import DamagedJson, check_summed, copy_is_whole
from lodur.store.whole_segments import DamagedSegment, MissingSegment, opened_whole


class FindingKind(StrEnum):
    """What is wrong; the first two mean that entries cannot be read."""

    DAMAGED = "damaged"
    MISSING = "missing"
    UNKNOWN = "unknown"
    """An object that no manifest names: of a flush or merge under way, or of a crash."""
    ASIDE = "aside"
    """The bytes of something damaged, kept for people."""


LOSSES = frozenset({FindingKind.DAMAGED, FindingKind.MISSING})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    kind: FindingKind
    tenant: str
    path: str
    text: str
    offset: int | None = None
    """In bytes, where it is known."""


@dataclass(slots=True)
class Counts:
    """What was checked so far."""

    tenants: int = 0
    """Those of whom there is something."""
    manifests: int = 0
    segments: int = 0
    bytes: int = 0
    rows: int = 0
    losses: int = 0


class Verification:
    """One check of the stores, of all tenants or of one. `on_progress` is called after each segment."""

    def __init__(self, stores: ObjectStores, only: TenantId | None, on_progress: Callable[[Counts, str], None]) -> None:
        self._stores = stores
        self._only = only
        self._on_progress = on_progress
        self.counts = Counts()

    def run(self) -> Iterator[Finding]:
        """What is wrong, as it is found.

        Raises as `ObjectStore` and `check_tenant`, and CorruptData for manifests of later versions.
        """
        if self._only is not None:
            check_tenant(self._stores, self._only)
        tenants: set[TenantId] = set()
        for store in self._stores.each():
            for tenant in stored_tenants(store) if self._only is None else [self._only]:
                yield from self._counted(self._tenant(store, tenant))
                if has_objects(store, tenant):
                    tenants.add(tenant)
            if self._only is None:
                yield from self._counted(_documents(store, LOGS, LEASES, "leases"))
        self.counts.tenants = len(tenants)

    def _counted(self, findings: Iterator[Finding]) -> Iterator[Finding]:
        for finding in findings:
            self.counts.losses += finding.kind in LOSSES
            yield finding

    def _tenant(self, store: ObjectStore, tenant: TenantId) -> Iterator[Finding]:
        is_sound = True
        for day in stored_days(store, tenant):
            if self._stores.of_day(day) is not store:
                continue
            self.counts.manifests += 1
            manifest, damage = self._manifest(store, tenant, day)
            if damage is not None:
                yield damage
            if manifest is None:
                is_sound = is_sound and damage is None
                continue
            for meta in manifest.segments:
                finding = self._segment(store, tenant, day, meta)
                self.counts.segments += 1
                self._on_progress(self.counts, meta.path)
                if finding is not None:
                    yield finding
        if is_sound:
            # Without all manifests nobody can say what none of them names.
            for unknown in unknown_objects(store, tenant):
                yield Finding(FindingKind.UNKNOWN, tenant.value, unknown.path, unknown.text)
        if store is self._stores.oldest():
            yield from _documents(store, tenant.value, deletes_folder(tenant), "delete requests")
        yield from _documents(store, tenant.value, f"{tenant}/rules", "rules")
        yield from _documents(store, tenant.value, f"{tenant}/state/ruler", "states of rules")
        for kept in store.list_objects(f"{tenant}/damaged"):
            yield Finding(FindingKind.ASIDE, tenant.value, kept.path, f"{kept.size_bytes} bytes of a damaged file")

    def _manifest(self, store: ObjectStore, tenant: TenantId, day: int) -> tuple[Manifest | None, Finding | None]:
        """The manifest, and what is wrong with it; neither where it is gone by now."""
        path = manifest_path(tenant, day)
        found = store.get(path)
        if found is None:
            return None, None
        try:
            manifest = decode_manifest(found.data, path)
        except DamagedManifest:
            again = store.get(path)
            if again is None:
                return None, None
            found = again
            try:
                manifest = decode_manifest(found.data, path)
            except DamagedManifest as error:
                return None, Finding(FindingKind.DAMAGED, tenant.value, path, str(error), error.offset)
        if not copy_is_whole(found.data):
            text = f"{path}: the copy in the manifest is damaged; the manifest itself is whole"
            return manifest, Finding(FindingKind.DAMAGED, tenant.value, path, text, found.data.find(b'"copy"'))
        return manifest, None

    def _segment(self, store: ObjectStore, tenant: TenantId, day: int, meta: SegmentMeta) -> Finding | None:
        try:
            with opened_whole(store, meta) as segment:
                self.counts.bytes += meta.file_bytes
                self.counts.rows += verify_segment(segment, Cancel())
                wrong = _difference(segment, meta)
        except DamagedSegment as error:
            cause = error.__cause__
            offset = cause.offset if isinstance(cause, CorruptData) else None
            return Finding(FindingKind.DAMAGED, tenant.value, meta.path, str(error), offset)
        except CorruptData as error:
            text = str(error).replace(error.path, meta.path) if error.path else f"{meta.path}{error}"
            return Finding(FindingKind.DAMAGED, tenant.value, meta.path, text, error.offset)
        except MissingSegment:
            manifest, _ = self._manifest(store, tenant, day)
            if manifest is None or all(one.path != meta.path for one in manifest.segments):
                return None
            return Finding(FindingKind.MISSING, tenant.value, meta.path, f"{meta.path}: there is no such object")
        return Finding(FindingKind.DAMAGED, tenant.value, meta.path, f"{meta.path}: {wrong}") if wrong else None


def _documents(store: ObjectStore, tenant: str, folder: str, what: str) -> Iterator[Finding]:
    """What is wrong with the documents of a folder."""
    for listed in store.list_objects(folder):
        path = listed.path
        # What came damaged over the network only is whole when it is read again.
        if _document_damage(store, path, what) and (text := _document_damage(store, path, what)):
            yield Finding(FindingKind.DAMAGED, tenant, path, text, 0)


def _document_damage(store: ObjectStore, path: str, what: str) -> str:
    """In words; empty where there is none, or the object is gone by now."""
    found = store.get(path)
    if found is None:
        return ""
    try:
        check_summed(found.data, path, what)
    except DamagedJson as error:
        return str(error)
    return "" if copy_is_whole(found.data) else f"{path}: the copy in it is damaged; the document itself is whole"


def _difference(segment: Segment, meta: SegmentMeta) -> str | None:
    """In what a segment whose parts are whole is not what the manifest says."""
    file = Path(segment.path)
    size_bytes = file.stat().st_size
    if meta.is_unread:
        return None
    for name, found, said in (
        ("bytes", size_bytes, meta.file_bytes),
        ("rows", segment.rows, meta.rows),
        ("first timestamp", segment.min_ts_ns, meta.min_ts_ns),
        ("last timestamp", segment.max_ts_ns, meta.max_ts_ns),
        ("bytes of lines", segment.line_bytes, meta.line_bytes),
    ):
        if found != said:
            return f"{name}: {found}, the manifest says {said}"
    if meta.crc32 is not None and file_crc32(file) != meta.crc32:
        return "its bytes do not match the checksum in the manifest, in a part that only other programs read"
    return None
