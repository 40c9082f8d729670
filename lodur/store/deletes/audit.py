"""The audit trail of delete requests: what was asked, by whom, and what became of it, for good.

One object for each request, which grows with every removal. What was removed stands in the manifest until it is here
(see `manifest.Removal`), so that no crash loses or doubles it. Format: docs/formats/deletes.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import msgspec
import structlog

from lodur.model.errors import Unavailable
from lodur.model.tenant import TenantId
from lodur.store.deletes.commit_watch import CommitWatch
from lodur.store.deletes.paths import audit_folder, trail_path
from lodur.store.deletes.requests import VERSION, DeleteRequest
from lodur.store.manifest import Removal
from lodur.store.object_store import ObjectStore
from lodur.store.summed_json import DamagedJson, check_summed, put_damaged_aside, read_sound, with_sum

READS_AT_ONCE = 16
"""Trails are kept for good, so that there may be many thousands."""

COMMIT_ATTEMPTS_MAX = 20
"""Each lost attempt means that another process has written: with this many there is something else wrong."""

_log = structlog.get_logger(__name__)


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
    unread: tuple[str, ...] = ()
    """Paths of segments that may have entries of it and could not be looked at when it was processed."""
    version: int = VERSION

    @property
    def removed_rows(self) -> int:
        """Entries that have been removed so far."""
        return sum(one.rows for one in self.removed)


def read_trail(store: ObjectStore, tenant: TenantId, request_id: str) -> Trail | None:
    """What is known of a request; None where nothing is, or can be read. Raises CorruptData, and as `ObjectStore`."""
    return _read(store, trail_path(tenant, request_id))


def read_trails(store: ObjectStore, tenant: TenantId, watch: CommitWatch | None = None) -> list[Trail]:
    """All requests that ever were, by number. Raises as `read_trail`, and DeadlineExceeded where it is called off."""

    def read(path: str) -> Trail | None:
        if watch is not None:
            watch.check()
        return _read(store, path)

    paths = [listed.path for listed in store.list_objects(audit_folder(tenant)) if listed.path.endswith(".json")]
    with ThreadPoolExecutor(READS_AT_ONCE, "read-trail") as threads:
        trails = [trail for trail in threads.map(read, paths) if trail is not None]
    return sorted(trails, key=lambda trail: trail.request.number)


def record(
    store: ObjectStore,
    tenant: TenantId,
    request: DeleteRequest,
    *,
    removed: Sequence[Removed] = (),
    cancelled: Cancelled | None = None,
    unread: Sequence[str] = (),
) -> Trail:
    """Add to a request's trail; the same again changes nothing. Raises as `read_trail`."""
    path = trail_path(tenant, request.id)
    for _ in range(COMMIT_ATTEMPTS_MAX):
        stored = read_sound(store, path, decode_trail)
        known = stored.value if stored is not None else None
        trail = _with(known or Trail(request), request, removed, cancelled, unread)
        damaged = stored.damaged if stored is not None else None
        if trail == known and damaged is None:
            return trail
        if damaged is not None:
            kept = put_damaged_aside(store, tenant, f"audit-{request.id}", damaged)
            _log.error("damaged audit trail is written anew", path=path, offset=0, restored=bool(known), kept=kept)
        data = with_sum(msgspec.json.encode(trail, order="deterministic"))
        if store.replace_if(path, data, stored.version if stored is not None else None) is not None:
            return trail
    raise Unavailable(f"{path}: {COMMIT_ATTEMPTS_MAX} attempts to write met with other writers")


def removed_from(segment: str, removal: Removal) -> Removed:
    """What a manifest says of a removal, as the trail keeps it."""
    return Removed(segment, removal.rows, removal.at_ns, removal.by, removal.into)


def _with(
    trail: Trail,
    request: DeleteRequest,
    removed: Sequence[Removed],
    cancelled: Cancelled | None,
    unread: Sequence[str],
) -> Trail:
    known = {one.segment for one in trail.removed}
    fresh = tuple(one for one in removed if one.segment not in known)
    return replace(
        trail,
        request=_further(trail.request, request),
        removed=(*trail.removed, *fresh),
        cancelled=trail.cancelled or cancelled,
        unread=(*trail.unread, *(path for path in unread if path not in trail.unread)),
    )


def _further(one: DeleteRequest, other: DeleteRequest) -> DeleteRequest:
    """Of two states of a request the later one."""
    if one.is_processed or (one.is_started and not other.is_started):
        return one
    return other


def _read(store: ObjectStore, path: str) -> Trail | None:
    found = read_sound(store, path, decode_trail)
    if found is None:
        return None
    if found.value is None:
        _log.error("audit trail is damaged and cannot be restored", path=path, offset=0)
    return found.value


def decode_trail(data: bytes, path: str) -> Trail:
    """The trail of a file. Raises DamagedJson, and CorruptData for versions that this build does not know."""
    check_summed(data, path, "audit trails")
    try:
        return replace(_TRAIL.decode(data), version=VERSION)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedJson(path, f"no audit trail: {error}") from error


_TRAIL = msgspec.json.Decoder(Trail)
