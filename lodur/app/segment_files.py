"""Segments as files for programs that read Parquet: local paths, and a filesystem over stores that are elsewhere.

Remote segments are read through the server's own clients, in the ranges that are asked for; nothing is copied whole.
Start at `shown_files`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fsspec import AbstractFileSystem

from lodur.model.clock import SystemClock
from lodur.model.limits import DeletionMode
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.delete_queries import plan_of_request
from lodur.store.deletes.deletions import Deletions
from lodur.store.inspection import days_in
from lodur.store.manifest import SegmentMeta, segments_between
from lodur.store.object_store import ObjectStore
from lodur.store.object_stores import ObjectStores
from lodur.store.undeleted_segments import without_deleted

SCHEME = "lodur"

_UNCHANGING = datetime(1970, 1, 1, tzinfo=UTC)
"""When every segment was written last, for all that readers need to know."""


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A live segment: the path under which it is read, and what its manifest says."""

    path: str
    meta: SegmentMeta
    store: ObjectStore


def segment_files(stores: ObjectStores, tenant: TenantId, span: TimeSpan | None) -> list[SegmentFile]:
    """The segments of a tenant that may hold entries of a span, from its manifests: never one that is not live."""
    found: list[SegmentFile] = []
    for stored in days_in(stores, tenant):
        manifest = stored.manifest
        live = manifest.segments if span is None else segments_between([manifest], span.start_ns, span.end_ns)
        for meta in live:
            local = stored.store.local_path(meta.path)
            path = str(local) if local is not None else f"{SCHEME}://{meta.path}"
            found.append(SegmentFile(path, meta, stored.store))
    return found


def shown_files(
    stores: ObjectStores, tenant: TenantId, span: TimeSpan | None, mode: DeletionMode, directory: Path
) -> list[SegmentFile]:
    """As `segment_files`, without what delete requests hide; what must be written anew for that goes to a directory.

    Raises CorruptData, and as `ObjectStore`.
    """
    files = segment_files(stores, tenant, span)
    deletions = Deletions(stores.oldest(), plan_of_request, SystemClock(), mode_of=lambda _: mode)
    paths = {file.meta.path: file.path for file in files}
    try:
        found = without_deleted(deletions, tenant, [(file.store, file.meta) for file in files], directory)
    finally:
        deletions.close()
    return [
        SegmentFile(str(one.copy) if one.copy is not None else paths[one.meta.path], one.meta, one.store)
        for one in found
    ]


class SegmentFilesystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec publishes no types
    """The segments that are no local files, for reading alone."""

    protocol = SCHEME
    cachable = False

    def __init__(self, files: Sequence[SegmentFile]) -> None:
        super().__init__()
        self._files = {file.meta.path: file for file in files}

    def info(self, path: str, **_: object) -> dict[str, object]:
        file = self._file(path)
        return {"name": path, "size": file.meta.file_bytes, "type": "file"}

    def exists(self, path: str, **_: object) -> bool:
        return self._name(path) in self._files

    def glob(self, path: str, **_: object) -> list[str]:
        return [path] if self.exists(path) else []

    def modified(self, path: str) -> datetime:
        self._file(path)
        return _UNCHANGING

    def created(self, path: str) -> datetime:
        return self.modified(path)

    def _open(self, path: str, mode: str = "rb", **_: object) -> io.RawIOBase:
        if mode != "rb":
            raise PermissionError(f"{path}: segments are only read")
        return _RemoteFile(self._file(path))

    def _file(self, path: str) -> SegmentFile:
        name = self._name(path)
        if name not in self._files:
            raise FileNotFoundError(path)
        return self._files[name]

    @staticmethod
    def _name(path: str) -> str:
        return path.removeprefix(f"{SCHEME}://").lstrip("/")


class _RemoteFile(io.RawIOBase):
    """A remote segment, read at any place."""

    def __init__(self, file: SegmentFile) -> None:
        super().__init__()
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.meta.file_bytes}[whence]
        self._position = max(0, start + offset)
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        left = self._file.meta.file_bytes - self._position
        length = left if size is None or size < 0 else min(size, left)
        if length <= 0:
            return b""
        data = self._file.store.get_ranges(self._file.meta.path, [(self._position, length)])[0]
        self._position += len(data)
        return data


def stored_tenants(stores: ObjectStores) -> Iterator[TenantId]:
    """The tenants that have segments, each once."""
    seen: set[TenantId] = set()
    for stored in days_in(stores):
        if stored.manifest.segments and stored.tenant not in seen:
            seen.add(stored.tenant)
            yield stored.tenant
