"""The audit trail of delete requests: what was asked, by whom, and what became of it, for good.

One object for each request, which grows with every removal. What was removed stands in the manifest until it is here
(see `manifest.Removal`), so that no crash loses or doubles it. Format: docs/formats/deletes.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from lodur.model.errors import CorruptData, Unavailable
from lodur.model.tenant import TenantId
from lodur.store.deletes.request_store import COMMIT_ATTEMPTS_MAX, deletes_folder
from lodur.store.deletes.requests import DeleteRequest
from lodur.store.manifest import Removal
from lodur.store.object_store import ObjectStore

VERSION = 1


@dataclass(frozen=True, slots=True)
class Removed:
    """Entries that went with one rewriting or dropping of a segment."""

    segment: str
    """Path of the segment that had them."""
    rows: int
    at_ns: int
    by: str
    """The process that did it."""
    into: tuple[str, ...]
    """Ids of the segments that have the rows which were left."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The end of a request before it was processed."""

    at_ns: int
    by: str
    forced: bool


@dataclass(frozen=True, slots=True)
class Trail:
    """All that is known of one request."""

    request: DeleteRequest
    removed: tuple[Removed, ...] = ()
    cancelled: Cancelled | None = None
    version: int = VERSION

    @property
    def removed_rows(self) -> int:
        """Entries that have been removed so far."""
        return sum(one.rows for one in self.removed)


def audit_folder(tenant: TenantId) -> str:
    return f"{deletes_folder(tenant)}/audit"


def trail_path(tenant: TenantId, request_id: str) -> str:
    return f"{audit_folder(tenant)}/{request_id}.json"


def read_trail(store: ObjectStore, tenant: TenantId, request_id: str) -> Trail | None:
    """What is known of a request; None where nothing is. Raises CorruptData, and as `ObjectStore`."""
    found = store.get(trail_path(tenant, request_id))
    return _decoded(found.data, trail_path(tenant, request_id)) if found else None


def read_trails(store: ObjectStore, tenant: TenantId) -> list[Trail]:
    """All requests that ever were, by number. Raises as `read_trail`."""
    paths = [listed.path for listed in store.list_objects(audit_folder(tenant)) if listed.path.endswith(".json")]
    found = ((path, store.get(path)) for path in paths)
    trails = [_decoded(stored.data, path) for path, stored in found if stored is not None]
    return sorted(trails, key=lambda trail: trail.request.number)


def record(
    store: ObjectStore,
    tenant: TenantId,
    request: DeleteRequest,
    *,
    removed: Sequence[Removed] = (),
    cancelled: Cancelled | None = None,
) -> Trail:
    """Add to a request's trail; the same again changes nothing. Raises as `read_trail`."""
    path = trail_path(tenant, request.id)
    for _ in range(COMMIT_ATTEMPTS_MAX):
        stored = store.get(path)
        known = _decoded(stored.data, path) if stored is not None else None
        trail = _with(known or Trail(request), request, removed, cancelled)
        if trail == known:
            return trail
        data = msgspec.json.format(msgspec.json.encode(trail, order="deterministic"), indent=1) + b"\n"
        if store.replace_if(path, data, stored.version if stored is not None else None) is not None:
            return trail
    raise Unavailable(f"{path}: {COMMIT_ATTEMPTS_MAX} attempts to write met with other writers")


def removed_from(segment: str, removal: Removal) -> Removed:
    """What a manifest says of a removal, as the trail keeps it."""
    return Removed(segment, removal.rows, removal.at_ns, removal.by, removal.into)


def _with(trail: Trail, request: DeleteRequest, removed: Sequence[Removed], cancelled: Cancelled | None) -> Trail:
    known = {one.segment for one in trail.removed}
    fresh = tuple(one for one in removed if one.segment not in known)
    return replace(
        trail,
        request=_further(trail.request, request),
        removed=(*trail.removed, *fresh),
        cancelled=trail.cancelled or cancelled,
    )


def _further(one: DeleteRequest, other: DeleteRequest) -> DeleteRequest:
    """Of two states of a request the later one."""
    if one.is_processed or (one.is_started and not other.is_started):
        return one
    return other


def _decoded(data: bytes, path: str) -> Trail:
    try:
        trail = _TRAIL.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptData(f"{path}: no audit trail: {error}", path=path) from error
    if trail.version != VERSION:
        raise CorruptData(f"{path}: version {trail.version} of an audit trail is not known, this build reads {VERSION}")
    return trail


_TRAIL = msgspec.json.Decoder(Trail)
