"""Objects as files below one directory, durable by fsync and replaced by rename.

The conditional write of an object takes a lock file beside it, so that processes of one machine exclude each other; an
object that must not be there yet is linked to its name, which the system does for one of them only.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from lodur.model.errors import InvalidRequest, NotFound, Unavailable
from lodur.store.object_store import ListedObject, StoredObject

SPOOL_PREFIX = ".spool-"
"""Files that are no objects yet; what a crash has left of them is removed at a later start."""

SPOOL_UNTOUCHED_S = 3600.0
"""Nobody is at a file any more that was not written to for so long: one that is written grows, and its last bytes wait
for the disk for minutes at most. A lock would tell at once, but not on every share, nor while a machine is cut off."""

LOCK_SUFFIX = ".lock"

VERSION_BYTES = 16
"""Of the hash that stands for a version: two contents with one hash are not expected in the life of the universe."""


class FilesystemStore:
    """An object store in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def check(self, writer_prefix: str = "") -> None:
        """Make the directory, and drop what a crash left half written: of this writer all, of others what is old."""
        with _told(self._directory, "is not usable"):
            self._directory.mkdir(parents=True, exist_ok=True)
            if not os.access(self._directory, os.W_OK | os.X_OK):
                raise PermissionError(13, "permission denied")
            # A tenant may be called like that.
            spooled = [file for file in self._directory.rglob(f"{SPOOL_PREFIX}*") if not file.is_dir()]
            own = f"{SPOOL_PREFIX}{writer_prefix}-"
            of_others: list[Path] = []
            for file in spooled:
                if writer_prefix and file.name.startswith(own):
                    file.unlink(missing_ok=True)
                else:
                    of_others.append(file)
            if of_others:
                # What cannot be looked at or removed now, as on a full disk, is there at the next start.
                with suppress(OSError):
                    _drop_untouched(of_others, now_s=_written_now_s(self._directory))

    def get(self, path: str) -> StoredObject | None:
        file = self._file(path)
        with _told(file, "cannot be read"):
            try:
                data = file.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return StoredObject(data, _version(data))

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        with _told(self._file(path), "cannot be read"), self._file(path).open("rb") as file:
            return [os.pread(file.fileno(), length, offset) for offset, length in ranges]

    async def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return await asyncio.to_thread(self.get_ranges, path, ranges)

    def put_file(self, path: str, source: Path) -> None:
        target = self._file(path)
        with _told(target, "cannot be written"):
            self._make_folder(target.parent)
            _sync(source)
            source.rename(target)
            _sync(target.parent)

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        target = self._file(path)
        with _told(target, "cannot be written"):
            self._make_folder(target.parent)
            if version is None:
                return _version(data) if _created(target, data) else None
            with _locked(target.with_name(f".{target.name}{LOCK_SUFFIX}")):
                known = self.get(path)
                if known is None or known.version != version:
                    return None
                with _spooled(target, data) as spooled:
                    spooled.rename(target)
                _sync(target.parent)
        return _version(data)

    def delete(self, path: str) -> None:
        with _told(self._file(path), "cannot be deleted"):
            self._file(path).unlink(missing_ok=True)

    def list_objects(self, prefix: str) -> list[ListedObject]:
        folder = self._file(prefix)
        with _told(folder, "cannot be listed"):
            found = list(_listed(str(folder), f"{prefix}/" if prefix else ""))
        return sorted(found, key=lambda listed: listed.path)

    def list_folders(self, prefix: str) -> list[str]:
        folder = self._file(prefix)
        with _told(folder, "cannot be listed"):
            return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []

    def spool(self, path: str) -> Path:
        target = self._file(path)
        with _told(target, "cannot be written"):
            self._make_folder(target.parent)
        return target.with_name(f"{SPOOL_PREFIX}{target.name}")

    def local_path(self, path: str) -> Path | None:
        return self._file(path)

    def _file(self, path: str) -> Path:
        if path.startswith("/") or ".." in path.split("/"):
            raise InvalidRequest(f"'{path}' is no path inside the store")
        return self._directory / path

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _listed(folder: str, prefix: str) -> Iterator[ListedObject]:
    """The objects below a folder, any of which may be deleted meanwhile. Raises OSError for what cannot be read."""
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        path = f"{prefix}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _listed(entry.path, f"{path}/")
        elif not entry.name.startswith(".") and entry.is_file():
            try:
                size_bytes = entry.stat().st_size
            except FileNotFoundError:
                continue
            yield ListedObject(path, size_bytes)


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """Say in the words of `ObjectStore` what the operating system refused."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"{path} {what}: there is no such file") from error
    except OSError as error:
        raise Unavailable(f"{path} {what}: {(error.strerror or str(error)).lower()}") from error


def _created(target: Path, data: bytes) -> bool:
    """Make a file that is whole from its first moment; False where there is one."""
    with _spooled(target, data) as spooled:
        try:
            target.hardlink_to(spooled)
        except FileExistsError:
            return False
    _sync(target.parent)
    return True


@contextmanager
def _spooled(target: Path, data: bytes) -> Iterator[Path]:
    """A file beside `target` with these bytes on the disk; its name is nobody else's, nor one that a crash has left."""
    spooled = target.with_name(f"{SPOOL_PREFIX}{target.name}-{uuid.uuid4().hex}")
    try:
        spooled.write_bytes(data)
        _sync(spooled)
        yield spooled
    finally:
        spooled.unlink(missing_ok=True)


def _drop_untouched(files: Sequence[Path], *, now_s: float) -> None:
    """Remove those that nobody has written to for long; any may become an object meanwhile, or be removed."""
    for file in files:
        try:
            touched_s = file.stat().st_mtime
        except FileNotFoundError:
            continue
        if touched_s < now_s - SPOOL_UNTOUCHED_S:
            file.unlink(missing_ok=True)


def _written_now_s(directory: Path) -> float:
    """The time of a file that is written now: of a share it is the server's clock, as in the times of other files."""
    probe = directory / f"{SPOOL_PREFIX}{uuid.uuid4().hex}"
    try:
        probe.write_bytes(b"")
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _version(data: bytes) -> str:
    return blake2b(data, digest_size=VERSION_BYTES).hexdigest()
