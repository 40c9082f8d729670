"""Who only reads a store takes its manifests as they are, and leaves damaged ones to the process that writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lodur.app.stored_logs import read_day
from lodur.model.errors import CorruptData
from lodur.model.tenant import TenantId
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import NoJournal
from lodur.store.manifest_store import commit, manifest_path
from lodur.store.object_stores import ObjectStores
from lodur.store.store import Store

DAY = 20_000
TENANT = TenantId("t")


def files(directory: Path) -> dict[str, bytes]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def test_a_day_is_read_and_a_damaged_one_is_left_as_it_is(tmp_path: Path) -> None:
    objects = FilesystemStore(tmp_path)
    store = Store(ObjectStores([(0, objects)]), NoJournal())
    tenant_store = store.tenant(TENANT)
    read_day(store, tenant_store, DAY)
    assert tenant_store.known_day(DAY) is None
    committed = commit(objects, TENANT, DAY, None, lambda manifest: replace(manifest, covered={"w": 4}))
    read_day(store, tenant_store, DAY)
    assert tenant_store.known_day(DAY) == committed
    path = tmp_path / manifest_path(TENANT, DAY)
    path.write_bytes(path.read_bytes()[:-5])
    before = files(tmp_path)
    with pytest.raises(CorruptData):
        read_day(store, tenant_store, DAY)
    assert files(tmp_path) == before
    store.close()
