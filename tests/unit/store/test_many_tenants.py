"""A start with many tenants: manifests that lie elsewhere are read side by side, and each tenant has its own."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from lodur.kernels.push_decode import ContentEncoding, PushFormat
from lodur.model.tenant import TenantId
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import NoJournal
from lodur.store.object_store import ListedObject
from lodur.store.object_stores import ObjectStores
from lodur.store.store import Store
from lodur.wire.push_body import PushForm, PushLimits, decode

NOW_NS = 1_790_000_000_000_000_000
TENANTS = [TenantId(f"t{number}") for number in range(20)]
DEADLINE_S = 20.0


class MeetingStore(FilesystemStore):
    """A store elsewhere in which whoever lists objects waits for somebody else who does."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._lock = threading.Lock()
        self._inside = 0
        self.have_met = threading.Event()

    def list_objects(self, prefix: str) -> list[ListedObject]:
        with self._lock:
            self._inside += 1
            if self._inside == 2:
                self.have_met.set()
        assert self.have_met.wait(DEADLINE_S), "nobody else lists objects meanwhile"
        with self._lock:
            self._inside -= 1
        return super().list_objects(prefix)

    def local_path(self, path: str) -> Path | None:
        return None


def fill(directory: Path) -> None:
    store = Store(ObjectStores([(0, FilesystemStore(directory))]), NoJournal())
    store.load()
    for number, tenant in enumerate(TENANTS):
        values = [[str(NOW_NS + line), f"{tenant} {line}"] for line in range(number + 1)]
        body = json.dumps({"streams": [{"stream": {"app": "x"}, "values": values}]}).encode()
        push = decode(body, PushForm(PushFormat.LOKI_JSON, ContentEncoding.IDENTITY), PushLimits.unchecked(), NOW_NS)
        tenant_store = store.tenant(tenant)
        tenant_store.append(push, kind=0, payload=b"", accepted_at_ns=NOW_NS, now_s=0.0)
        generation = tenant_store.freeze()
        assert generation is not None
        store.writer.flush(tenant_store, generation, {})
    store.close()


def test_manifests_of_tenants_are_read_side_by_side(tmp_path: Path) -> None:
    fill(tmp_path)
    objects = MeetingStore(tmp_path)
    store = Store(ObjectStores([(0, objects)]), NoJournal())
    store.load()
    assert objects.have_met.is_set()
    rows = {each.tenant: sum(segment.rows for segment in each.live()) for each in store.tenants()}
    assert rows == {tenant: number + 1 for number, tenant in enumerate(TENANTS)}
    store.close()
