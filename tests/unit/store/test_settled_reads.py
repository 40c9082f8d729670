"""What comes damaged over the network is read again; what is damaged in the store is not taken for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.model.errors import Unavailable
from lodur.model.tenant import TenantId
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.manifest import Manifest
from lodur.store.manifest_store import commit, sound_manifest
from lodur.store.object_store import StoredObject
from lodur.store.object_wal.lease import Lease, read_lease, write_lease
from lodur.store.settled_reads import READ_ATTEMPTS_MAX, read_settled

DAY = 20_000
TENANT = TenantId("t")
WRITER = "01234567-89ab-4def-8123-456789abcdef"


class NoisyNetwork(FilesystemStore):
    """A store of which the next readings come with a flipped bit each, another one each time."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.noisy = 0
        self.reads = 0

    def get(self, path: str) -> StoredObject | None:
        found = super().get(path)
        self.reads += 1
        if found is None or not self.noisy:
            return found
        self.noisy -= 1
        data = bytearray(found.data)
        data[-5] ^= 1 << self.noisy % 8
        return StoredObject(bytes(data), found.version)


class NotWhole(Exception):
    pass


def decode(data: bytes, path: str) -> str:
    if data != b"a whole object":
        raise NotWhole(path)
    return data.decode()


@pytest.fixture
def store(tmp_path: Path) -> NoisyNetwork:
    return NoisyNetwork(tmp_path)


@pytest.mark.parametrize("noisy", [0, 1, 2, 7])
def test_noise_passes(store: NoisyNetwork, noisy: int) -> None:
    version = store.replace_if("x", b"a whole object", None)
    store.noisy = noisy
    settled = read_settled(store, "x", decode, NotWhole)
    assert settled is not None
    assert (settled[0].data, settled[0].version, settled[1]) == (b"a whole object", version, "a whole object")


def test_damage_in_the_store_is_told_after_the_second_reading(store: NoisyNetwork) -> None:
    store.replace_if("x", b"a broken object", None)
    settled = read_settled(store, "x", decode, NotWhole)
    assert settled is not None
    assert settled[0].data == b"a broken object"
    assert isinstance(settled[1], NotWhole)
    assert store.reads == 2


def test_what_is_not_there_is_none(store: NoisyNetwork) -> None:
    assert read_settled(store, "x", decode, NotWhole) is None


def test_noise_without_end_is_no_damage(store: NoisyNetwork) -> None:
    store.replace_if("x", b"a whole object", None)
    store.noisy = 2 * READ_ATTEMPTS_MAX
    with pytest.raises(Unavailable, match="x: 20 attempts"):
        read_settled(store, "x", decode, NotWhole)


def test_a_manifest_that_came_damaged_once_is_not_written_anew(store: NoisyNetwork) -> None:
    committed = commit(store, TENANT, DAY, None, lambda manifest: Manifest(manifest.day, covered={WRITER: 7}))
    store.noisy = 1
    assert sound_manifest(store, TENANT, DAY) == committed
    assert store.list_objects(f"{TENANT}/damaged") == []


def test_a_document_that_came_damaged_once_is_not_put_aside(store: NoisyNetwork) -> None:
    written = write_lease(store, WRITER, Lease(WRITER, beat=3), None)
    store.noisy = 1
    assert read_lease(store, WRITER) == written
    assert store.list_objects("wal/damaged") == []
