"""What lies in a store when all is said and done: what is live or about to be deleted, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lodur.model.tenant import TenantId
from tests.compacting_node import Row
from tests.faults.process import Process
from tests.faults.segment_rows import stored_rows
from tests.faults.violation import Violation


def check_objects(process: Process, tenant: TenantId) -> None:
    """A process has read all manifests of a tenant. Raises Violation."""
    tenant_store = process.store.tenant(tenant)
    live = {meta.path for meta in tenant_store.live()}
    removed = {
        one.path
        for day in tenant_store.days()
        if (known := tenant_store.known_day(day)) is not None
        for one in known.manifest.removed
    }
    stored = {listed.path for listed in process.objects.list_objects(f"{tenant}/segments")}
    if stored != live | removed:
        raise Violation(f"objects that nobody knows {stored - live - removed}, missing ones {live - stored}")


def check_files(files: Sequence[Path], deleted: set[Row], expired: set[Row]) -> None:
    """Neither delete requests nor age have left anything behind that they must take. Raises Violation."""
    found = stored_rows(files)
    if back := deleted & found:
        raise Violation(f"{len(back)} deleted entries are in segments still: {sorted(back)[:3]}")
    if old := expired & found:
        raise Violation(f"{len(old)} expired entries are in segments still: {sorted(old)[:3]}")
