"""What a process sent before it died reaches the store after its next start: nothing is lost by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.store.filesystem_store import FilesystemStore
from lodur.store.object_store import ListedObject
from tests.unit.store.test_exactly_once import ROWS_PER_PUSH, A, Crash, Process

Write = tuple[str, bytes, str | None]


class Cut(FilesystemStore):
    """A store whose first conditional write is on its way when the process dies."""

    late: Write | None = None

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        self.late = (path, data, version)
        raise Crash


class CutUpload(FilesystemStore):
    """A store whose first upload is on its way when the process dies."""

    late: tuple[str, bytes] | None = None

    def put_file(self, path: str, source: Path) -> None:
        self.late = (path, source.read_bytes())
        raise Crash


class Outdated(FilesystemStore):
    """A store whose listings do not have the manifests yet."""

    def list_objects(self, prefix: str) -> list[ListedObject]:
        return [] if prefix.endswith("/manifest") else super().list_objects(prefix)


def dead(directory: Path, objects: Cut | CutUpload, *, flushed: int) -> None:
    """A process that died within a flush."""
    process = Process(directory)
    for number in range(flushed):
        process.push(A, f"flushed {number}")
        process.flush(A)
    process.push(A, "first")
    process.objects.inner = objects
    with pytest.raises(Crash):
        process.flush(A)
    process.die()


@pytest.mark.parametrize("flushed", [0, 2])
def test_a_commit_that_comes_late_is_refused(tmp_path: Path, flushed: int) -> None:
    objects = Cut(tmp_path / "store")
    dead(tmp_path, objects, flushed=flushed)
    process = Process(tmp_path)
    assert objects.late is not None
    assert FilesystemStore(tmp_path / "store").replace_if(*objects.late) is None
    process.push(A, "second")
    process.flush(A)
    process.die()
    last = Process(tmp_path)
    assert last.rows(A) == (flushed + 2) * ROWS_PER_PUSH
    for meta in last.store.tenant(A).live():
        assert (tmp_path / "store" / meta.path).exists()
    last.die()


def test_an_upload_that_comes_late_meets_no_segment_of_the_next_life(tmp_path: Path) -> None:
    objects = CutUpload(tmp_path / "store")
    dead(tmp_path, objects, flushed=0)
    process = Process(tmp_path)
    process.flush(A)
    live = {meta.path for meta in process.store.tenant(A).live()}
    assert objects.late is not None
    path, data = objects.late
    assert path not in live
    (tmp_path / "store" / path).write_bytes(data)
    process.die()
    last = Process(tmp_path)
    assert last.rows(A) == ROWS_PER_PUSH
    assert {listed.path for listed in last.objects.list_objects("a/segments")} == live
    last.die()


def test_no_segment_is_deleted_because_a_listing_is_out_of_date(tmp_path: Path) -> None:
    first = Process(tmp_path)
    first.push(A, "first")
    first.flush(A)
    live = {meta.path for meta in first.store.tenant(A).live()}
    first.objects.inner = Outdated(tmp_path / "store")
    first.store.load()
    assert {listed.path for listed in first.objects.list_objects("a/segments")} == live
    first.die()
    last = Process(tmp_path)
    assert last.rows(A) == ROWS_PER_PUSH
    last.die()
