"""Read manifests from a store and commit changes to them by conditional writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lodur.model.errors import Unavailable
from lodur.model.tenant import TenantId
from lodur.store.days import day_name, parse_day_name
from lodur.store.manifest import Manifest, decode_manifest, encode_manifest
from lodur.store.object_store import ObjectStore

COMMIT_ATTEMPTS_MAX = 20
"""Each lost attempt means that another process has committed: with this many there is something else wrong."""

SUFFIX = ".json"


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
    """A day's manifest; None where there is none. Raises CorruptData, and as `ObjectStore`."""
    path = manifest_path(tenant, day)
    found = store.get(path)
    return Committed(decode_manifest(found.data, path), found.version) if found else None


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
    for _ in range(COMMIT_ATTEMPTS_MAX):
        manifest = change(known.manifest if known else Manifest(day_name(day)))
        if known is not None and manifest == known.manifest:
            return known
        manifest = replace(manifest, revision=manifest.revision + 1)
        version = store.replace_if(path, encode_manifest(manifest), known.version if known else None)
        if version is not None:
            return Committed(manifest, version)
        known = read_manifest(store, tenant, day)
    raise Unavailable(f"{path}: {COMMIT_ATTEMPTS_MAX} attempts to commit met with other writers")
