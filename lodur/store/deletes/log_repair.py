"""Rebuild a tenant's delete requests from their audit trails where neither their bytes nor the copy in them are whole.

Each request has a trail, which knows it as it was when the trail was last written. One that was started since is
started once more, and may take entries that came in between; one whose trail was never written, because its process
died first, is lost. Start at `rebuilt_log`.
"""

from __future__ import annotations

import structlog

from lodur.model.tenant import TenantId
from lodur.store.deletes.audit import read_trails
from lodur.store.deletes.paths import log_path
from lodur.store.deletes.requests import DeleteLog
from lodur.store.manifest_repair import newer_revision
from lodur.store.object_store import ObjectStore

_log = structlog.get_logger(__name__)


def rebuilt_log(store: ObjectStore, tenant: TenantId, damaged: bytes, known_revision: int) -> DeleteLog:
    """The requests that the trails know, but for those that were cancelled; newer than what is known.

    Raises as `read_trails`.
    """
    trails = read_trails(store, tenant)
    requests = tuple(trail.request for trail in trails if trail.cancelled is None)
    _log.error("delete requests are damaged, their audit trails say", path=log_path(tenant), requests=len(requests))
    return DeleteLog(
        requests,
        last_number=max((trail.request.number for trail in trails), default=0),
        revision=newer_revision(damaged, known_revision),
    )
