"""Who only reads a store takes its manifests as they are, and leaves damaged ones to the process that writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lodur.app.stored_logs import opened_logs, read_day
from lodur.config.loading import parse_config_text
from lodur.config.server_config import build_server_config
from lodur.model.clock import ManualClock
from lodur.model.errors import CorruptData
from lodur.model.tenant import TenantId
from lodur.store.days import NS_PER_DAY
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import NoJournal
from lodur.store.manifest_store import commit, manifest_path
from lodur.store.object_stores import ObjectStores
from lodur.store.store import Store
from tests.wal_node import WalNode

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


def test_a_manifest_of_another_tenant_ends_no_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It is set for the whole process, and would be for the tests after this one.
    monkeypatch.setattr("lodur.app.stored_logs.configure_log", lambda **_: None)
    directory = tmp_path / "store"
    writer = WalNode(directory, ManualClock(DAY * NS_PER_DAY))
    writer.acknowledged([("t", "x", DAY * NS_PER_DAY, "mine")], [("u", "x", DAY * NS_PER_DAY, "other")])
    writer.flush()
    writer.send_all()
    (directory / manifest_path(TenantId("u"), DAY)).write_bytes(b'{"version": 99}')
    text = f"common: {{storage: {{filesystem: {{chunks_directory: {directory}}}}}}}\nlodur: {{wal: object}}\n"
    values, _ = parse_config_text(text, "lodur.yaml")
    config = build_server_config(values, base=tmp_path, now_ns=DAY * NS_PER_DAY, cores=1)
    with opened_logs(config, config.storage, TENANT, tmp_path / "spool") as logs:
        page = logs.page('{app="x"}', start_ns=0, end_ns=(DAY + 1) * NS_PER_DAY, limit=10)
    assert b"mine" in page
    with pytest.raises(CorruptData), opened_logs(config, config.storage, TenantId("u"), tmp_path / "spool"):
        pass
