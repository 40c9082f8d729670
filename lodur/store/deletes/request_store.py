"""Read a tenant's delete requests from a store and commit changes to them by conditional writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from lodur.model.errors import Unavailable
from lodur.model.tenant import TenantId
from lodur.store.deletes.log_repair import rebuilt_log
from lodur.store.deletes.paths import log_path
from lodur.store.deletes.requests import NO_REQUESTS, DeleteLog, decode_log, encode_log
from lodur.store.object_store import ObjectStore
from lodur.store.summed_json import put_damaged_aside, read_sound

COMMIT_ATTEMPTS_MAX = 20
"""Each lost attempt means that another process has committed: with this many there is something else wrong."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredLog:
    """A tenant's requests and the version of their object; None where there is no object yet."""

    log: DeleteLog
    version: str | None
    damaged: bytes | None = None
    """The bytes of an object of which the log had to be restored."""


def read_log(store: ObjectStore, tenant: TenantId, known: DeleteLog = NO_REQUESTS) -> StoredLog:
    """A tenant's requests, restored where their object is damaged, newer then than what is known. Changes nothing.

    Raises CorruptData for a version that this build does not know, and as `ObjectStore`.
    """
    found = read_sound(store, log_path(tenant), decode_log)
    if found is None:
        return StoredLog(NO_REQUESTS, None)
    log = found.value
    if log is None:
        log = rebuilt_log(store, tenant, found.damaged or b"", known.revision)
    return StoredLog(log, found.version, found.damaged)


def mended_log(store: ObjectStore, tenant: TenantId, known: DeleteLog = NO_REQUESTS) -> StoredLog:
    """A tenant's requests, written anew where their object was damaged. Raises as `read_log`."""
    stored = read_log(store, tenant, known)
    if stored.damaged is None:
        return stored
    path, log = log_path(tenant), replace(stored.log, revision=stored.log.revision + 1)
    kept = put_damaged_aside(store, tenant, "delete-requests", stored.damaged)
    version = store.replace_if(path, encode_log(log), stored.version)
    if version is None:
        raise Unavailable(f"{path}: another process has written it meanwhile")
    _log.error("damaged delete requests were restored", path=path, offset=0, requests=len(log.requests), kept=kept)
    return StoredLog(log, version)


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
        known = read_log(store, tenant, known.log)
    raise Unavailable(f"{path}: {COMMIT_ATTEMPTS_MAX} attempts to commit met with other writers")
