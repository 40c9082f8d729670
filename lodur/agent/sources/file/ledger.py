"""Which file on disk has been read how far, whatever its name is now.

Logs are renamed (`app.log` to `app.log.1`), and the new name may match a glob too. The ledger keeps one target from
reading such a file twice, and from reading it under its new name while its old reader is still on its way to the end.
A file that has two names at the same time (a link) is read under both, as it always was.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass

from lodur.agent.positions import Cursor, Identity

HEAD_BYTES = 256
"""First bytes that tell two files with the same inode number apart: a line or two, with a timestamp."""

FILES_MAX = 65_536
"""Files remembered after their reader has left them; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True)
class FileId:
    """A file on disk while it exists."""

    device: int
    inode: int

    @staticmethod
    def of(stat: os.stat_result) -> FileId:
        """The file that was asked about."""
        return FileId(stat.st_dev, stat.st_ino)

    @staticmethod
    def at(path: str) -> FileId | None:
        """The file that `path` names now; None if there is none, or none that we may see."""
        try:
            return FileId.of(os.stat(path))
        except OSError:
            return None


def identify(descriptor: int, offset: int) -> Identity:
    """The identity of an open file of which at least the first `offset` bytes are known."""
    head = os.pread(descriptor, min(offset, HEAD_BYTES), 0)
    return Identity(os.fstat(descriptor).st_ino, len(head), zlib.crc32(head))


def is_same(descriptor: int, identity: Identity) -> bool:
    """The open file is the one that `identity` was taken of."""
    if os.fstat(descriptor).st_ino != identity.inode:
        return False
    return zlib.crc32(os.pread(descriptor, identity.head_bytes, 0)) == identity.head_crc


class Ledger:
    """One target's files: who reads them, and where reading stopped."""

    def __init__(self, saved: dict[str, Cursor]) -> None:
        self._left: dict[int, tuple[str, Cursor]] = {}
        self._readers: dict[FileId, set[str]] = {}
        for path, cursor in saved.items():
            self._remember(path, cursor)

    def claim(self, file_id: FileId, path: str) -> bool:
        """The reader of `path` takes the file; False while another reader drains it under a name it has lost."""
        readers = self._readers.setdefault(file_id, set())
        if any(reader != path and FileId.at(reader) != file_id for reader in readers):
            return False
        readers.add(path)
        return True

    def release(self, file_id: FileId, path: str, cursor: Cursor) -> None:
        """The reader of `path` leaves the file at `cursor`."""
        readers = self._readers.get(file_id, set())
        readers.discard(path)
        if not readers:
            self._readers.pop(file_id, None)
        self._remember(path, cursor)

    def start_of(self, descriptor: int, path: str) -> int:
        """Where the reader of `path` begins with a file that it has not read before: 0, or where it was left."""
        file_id = FileId.of(os.fstat(descriptor))
        left = self._left.get(file_id.inode)
        if left is None:
            return 0
        former_path, cursor = left
        if former_path != path and FileId.at(former_path) == file_id:
            return 0
        return cursor.offset if cursor.identity is not None and is_same(descriptor, cursor.identity) else 0

    def _remember(self, path: str, cursor: Cursor) -> None:
        if cursor.identity is None:
            return
        inode = cursor.identity.inode
        self._left.pop(inode, None)
        self._left[inode] = (path, cursor)
        while len(self._left) > FILES_MAX:
            self._left.pop(next(iter(self._left)))
