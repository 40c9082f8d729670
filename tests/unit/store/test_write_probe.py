"""What the probe of a store finds out, and that it leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import MemoryStore

from lodur.model.errors import InvalidRequest, Unavailable
from lodur.store.cloud_store import CloudStore, CloudTraits
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.write_probe import PROBE_PREFIX, SECOND, check_writes

PATH = f"{PROBE_PREFIX}me"


class Bucket(CloudStore):
    """A bucket in memory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(MemoryStore(), CloudTraits("memory"), spool_directory=directory / "spool")


class BucketThatOverwrites(Bucket):
    """Writes whatever object there is where it should write only if there is none."""

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        known = self.get(path)
        return super().replace_if(path, data, known.version if version is None and known is not None else version)


class BucketThatForgetsVersions(Bucket):
    """Writes whatever version there is."""

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        known = self.get(path)
        return super().replace_if(path, data, known.version if known is not None else None)


class BucketThatAnswersTwice(Bucket):
    """The first answer to each write is lost, and the client's second attempt meets its first."""

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        super().replace_if(path, data, version)
        return super().replace_if(path, data, version)


class BucketThatMayNotDelete(Bucket):
    """Until it may."""

    may_delete = False

    def delete(self, path: str) -> None:
        if not self.may_delete:
            raise Unavailable("not now")
        super().delete(path)


@pytest.mark.parametrize("kind", [Bucket, BucketThatAnswersTwice])
def test_a_sound_store_is_left_as_it_was(tmp_path: Path, kind: type[Bucket]) -> None:
    store = kind(tmp_path)
    check_writes(store, "me")
    assert store.list_objects("") == []


@pytest.mark.parametrize("kind", [BucketThatOverwrites, BucketThatForgetsVersions])
def test_a_store_without_conditional_writes_is_told(tmp_path: Path, kind: type[Bucket]) -> None:
    with pytest.raises(InvalidRequest, match=r"conditional writes \(If-Match, If-None-Match\); use a store"):
        check_writes(kind(tmp_path), "me")


def test_what_an_attempt_has_left_is_taken_up_and_is_no_folder(tmp_path: Path) -> None:
    store = BucketThatMayNotDelete(tmp_path)
    for _ in range(2):
        with pytest.raises(Unavailable, match="not now"):
            check_writes(store, "me")
        left = store.get(PATH)
        assert left is not None
        assert left.data == SECOND
        assert store.list_folders("") == []
    store.may_delete = True
    check_writes(store, "me")
    assert store.list_objects("") == []


def test_nothing_is_written_to_a_local_directory(tmp_path: Path) -> None:
    check_writes(FilesystemStore(tmp_path / "objects"), "me")
    assert list(tmp_path.iterdir()) == []
