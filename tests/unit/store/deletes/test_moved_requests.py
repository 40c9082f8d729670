"""Delete requests follow the first period when that becomes another one."""

from __future__ import annotations

from pathlib import Path

from lodur.model.tenant import TenantId
from lodur.store.deletes.moved_requests import bring_requests
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.object_stores import ObjectStores

TENANT = TenantId("t")
LOG, TRAIL = "t/deletes/requests.json", "t/deletes/audit/0a1b2c3d.json"


def data(store: FilesystemStore, path: str) -> bytes | None:
    found = store.get(path)
    return found.data if found else None


def test_requests_are_copied_to_a_new_first_period_once(tmp_path: Path) -> None:
    old, middle, new = (FilesystemStore(tmp_path / name) for name in ("old", "middle", "new"))
    new.replace_if(LOG, b"1", None)
    new.replace_if(TRAIL, b"2", None)
    stores = ObjectStores([(0, old), (10, middle), (20, new)])
    bring_requests(stores, TENANT)
    assert (data(old, LOG), data(old, TRAIL)) == (b"1", b"2")
    assert data(middle, LOG) is None
    new.replace_if(LOG, b"stale", new.get(LOG).version)  # type: ignore[union-attr]
    bring_requests(stores, TENANT)
    assert data(old, LOG) == b"1"


def test_what_was_cut_off_is_done_again(tmp_path: Path) -> None:
    old, new = (FilesystemStore(tmp_path / name) for name in ("old", "new"))
    new.replace_if(LOG, b"1", None)
    new.replace_if(TRAIL, b"2", None)
    # The trails come first.
    old.replace_if(TRAIL, b"2", None)
    bring_requests(ObjectStores([(0, old), (10, new)]), TENANT)
    assert (data(old, LOG), data(old, TRAIL)) == (b"1", b"2")


def test_one_store_is_left_alone(tmp_path: Path) -> None:
    only = FilesystemStore(tmp_path)
    bring_requests(ObjectStores([(0, only), (10, only)]), TENANT)
    assert data(only, LOG) is None
