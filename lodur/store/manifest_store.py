"""Read manifests from a store and commit changes to them by conditional writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from lodur.model.errors import Unavailable
from lodur.model.tenant import TenantId
from lodur.store.days import day_name, parse_day_name
from lodur.store.manifest import DamagedManifest, Manifest, decode_manifest, encode_manifest, restored_manifest
from lodur.store.manifest_repair import keep_damaged, rebuilt_manifest
from lodur.store.object_store import ObjectStore
from lodur.store.settled_reads import read_settled

COMMIT_ATTEMPTS_MAX = 20
"""Each lost attempt means that another process has committed: with this many there is something else wrong."""

SUFFIX = ".json"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Committed:
    """A manifest and the version of its object."""

    manifest: Manifest
    version: str


def manifest_folder(tenant: TenantId) -> str:
    return f"{tenant}/manifest"


def manifest_path(tenant: TenantId, day: int) -> str:
    return f"{manifest_folder(tenant)}/{day_name(day)}{SUFFIX}"


def stored_days(store: ObjectStore, tenant: TenantId) -> list[int]:
    """The days that have a manifest in the store."""
    names = (listed.path.rpartition("/")[2] for listed in store.list_objects(manifest_folder(tenant)))
    days = (parse_day_name(name.removesuffix(SUFFIX)) for name in names if name.endswith(SUFFIX))
    return sorted(day for day in days if day is not None)


def read_manifest(store: ObjectStore, tenant: TenantId, day: int) -> Committed | None:
    """A day's manifest; None where there is none. Changes nothing. Raises CorruptData, and as `ObjectStore`."""
    path = manifest_path(tenant, day)
    found = store.get(path)
    return Committed(decode_manifest(found.data, path), found.version) if found else None


def sound_manifest(store: ObjectStore, tenant: TenantId, day: int, known: Committed | None = None) -> Committed | None:
    """A day's manifest, restored or rebuilt, and committed, where its bytes are damaged; None where there is none.

    What is rebuilt counts as newer than what is `known`. Raises CorruptData for a version that this build does not
    know, and as `ObjectStore`.
    """
    path = manifest_path(tenant, day)
    known_revision = known.manifest.revision if known is not None else 0
    for _ in range(COMMIT_ATTEMPTS_MAX):
        settled = read_settled(store, path, decode_manifest, DamagedManifest)
        if settled is None:
            return None
        found, read = settled
        if not isinstance(read, DamagedManifest):
            return Committed(read, found.version)
        kept = keep_damaged(store, tenant, day, found.data)
        restored = restored_manifest(found.data, path)
        manifest = restored or rebuilt_manifest(store, tenant, day, found.data, known_revision=known_revision)
        version = store.replace_if(path, encode_manifest(manifest), found.version)
        if version is not None:
            _log.error(
                "damaged manifest was restored" if restored else "damaged manifest was rebuilt from its day's segments",
                path=path,
                offset=read.offset,
                err=str(read),
                segments=len(manifest.segments),
                rows=sum(segment.rows for segment in manifest.segments),
                kept=kept,
            )
            return Committed(manifest, version)
    raise Unavailable(f"{path}: {COMMIT_ATTEMPTS_MAX} attempts to read met with other writers or with damage")


def fence(store: ObjectStore, tenant: TenantId, day: int) -> Committed:
    """The day's manifest, written anew so that no commit that began before can be stored any more.

    Raises as `commit`.
    """
    path = manifest_path(tenant, day)
    for _ in range(COMMIT_ATTEMPTS_MAX):
        known = sound_manifest(store, tenant, day)
        manifest = known.manifest if known else Manifest(day_name(day))
        manifest = replace(manifest, revision=manifest.revision + 1)
        version = store.replace_if(path, encode_manifest(manifest), known.version if known else None)
        if version is not None:
            return Committed(manifest, version)
    raise Unavailable(f"{path}: {COMMIT_ATTEMPTS_MAX} attempts to commit met with other writers")


def commit(
    store: ObjectStore,
    tenant: TenantId,
    day: int,
    known: Committed | None,
    change: Callable[[Manifest], Manifest],
) -> Committed:
    """Apply `change` to the day's manifest, starting from what is `known` of it; gives what is stored then.

    `change` is applied anew to what others have committed meanwhile, so it must be pure, and leave alone what it has
    already changed: an attempt whose answer was lost may have been stored.
    """
    path = manifest_path(tenant, day)
    # Somebody may have deleted the manifest, or put an older one back: what is committed is newer than what was known.
    known_revision = known.manifest.revision if known is not None else 0
    for _ in range(COMMIT_ATTEMPTS_MAX):
        manifest = change(known.manifest if known else Manifest(day_name(day)))
        if known is not None and manifest == known.manifest:
            return known
        manifest = replace(manifest, revision=max(manifest.revision, known_revision) + 1)
        version = store.replace_if(path, encode_manifest(manifest), known.version if known else None)
        if version is not None:
            return Committed(manifest, version)
        known = sound_manifest(store, tenant, day, known)
    raise Unavailable(f"{path}: {COMMIT_ATTEMPTS_MAX} attempts to commit met with other writers")
