"""What Lodur asks of an object store: whole objects, ranges of them, and one conditional write.

Two kinds satisfy it: `filesystem_store` (a directory) and `cloud_store` (everything that obstore speaks to). Paths are
relative, with slashes. Start at `ObjectStore`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's bytes, and the version that they are."""

    data: bytes
    version: str
    """Opaque; changes with every write of the object."""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object's path and size."""

    path: str
    size_bytes: int


class ObjectStore(Protocol):
    """Blocking calls but for `read_ranges`; all may be made from any thread.

    Every call raises Unavailable where the store cannot be reached or does not answer, Unauthenticated where it refuses
    the credentials, NotFound where bucket or directory is missing; `InvalidRequest` is a path that it cannot take.
    """

    def check(self, writer_prefix: str = "") -> None:
        """Raise what is wrong with place or credentials, saying what to do; nothing is left there but a directory.

        Files that a crash has left half written are removed: of the writer whose segments are named so all, of others
        only such as nobody can be at any more. Whether the store can be written to is `write_probe`'s affair.
        """

    def get(self, path: str) -> StoredObject | None:
        """A small object; None where there is none."""

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes at each (offset, length). Raises NotFound for a missing object."""

    async def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """`get_ranges` without blocking the event loop."""

    def put_file(self, path: str, source: Path) -> None:
        """Make `source`, a complete local file, the object; durable and visible as a whole on return.

        The file may be moved away; an object of that path is replaced.
        """

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        """Write the object if it still is that version (None: if there is none yet).

        Out: its new version; None, and nothing written, where it is another by now.
        """

    def delete(self, path: str) -> None:
        """Delete an object; a missing one is no error."""

    def list_objects(self, prefix: str) -> list[ListedObject]:
        """All objects below a folder, in the order of their paths."""

    def list_folders(self, prefix: str) -> list[str]:
        """Names of the folders directly in a folder (empty: the root), sorted."""

    def spool(self, path: str) -> Path:
        """A path of a local file to write before it becomes the object `path`; its folder exists."""

    def local_path(self, path: str) -> Path | None:
        """Where the object can be read as a file; None where it lies elsewhere."""


def is_remote(store: ObjectStore) -> bool:
    """Whether its objects are no files of this machine."""
    return store.local_path("") is None
