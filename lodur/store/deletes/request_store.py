"""Read a tenant's delete requests from a store and commit changes to them by conditional writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lodur.model.errors import Unavailable
from lodur.model.tenant import TenantId
from lodur.store.deletes.requests import NO_REQUESTS, DeleteLog, decode_log, encode_log
from lodur.store.object_store import ObjectStore

COMMIT_ATTEMPTS_MAX = 20
"""Each lost attempt means that another process has committed: with this many there is something else wrong."""


@dataclass(frozen=True, slots=True)
class StoredLog:
    """A tenant's requests and the version of their object; None where there is no object yet."""

    log: DeleteLog
    version: str | None


def deletes_folder(tenant: TenantId) -> str:
    return f"{tenant}/deletes"


def log_path(tenant: TenantId) -> str:
    return f"{deletes_folder(tenant)}/requests.json"


def read_log(store: ObjectStore, tenant: TenantId) -> StoredLog:
    """A tenant's requests. Raises CorruptData, and as `ObjectStore`."""
    path = log_path(tenant)
    found = store.get(path)
    return StoredLog(decode_log(found.data, path), found.version) if found else StoredLog(NO_REQUESTS, None)


def commit_log(
    store: ObjectStore, tenant: TenantId, known: StoredLog, change: Callable[[DeleteLog], DeleteLog]
) -> StoredLog:
    """Apply `change` to a tenant's requests, starting from what is `known` of them; gives what is stored then.

    `change` is applied anew to what others have committed meanwhile: it must be pure, and leave alone what it has
    already changed. What it raises leaves everything as it is.
    """
    path = log_path(tenant)
    for _ in range(COMMIT_ATTEMPTS_MAX):
        log = change(known.log)
        if log == known.log:
            return known
        log = replace(log, revision=log.revision + 1)
        version = store.replace_if(path, encode_log(log), known.version)
        if version is not None:
            return StoredLog(log, version)
        known = read_log(store, tenant)
    raise Unavailable(f"{path}: {COMMIT_ATTEMPTS_MAX} attempts to commit met with other writers")
