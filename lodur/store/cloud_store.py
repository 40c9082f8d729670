"""Objects in a bucket (or in memory, for tests), through obstore.

Which client reaches the bucket is chosen in `cloud_clients`. Errors are brought into Lodur's tree here, without the
credentials that a server may have repeated in its answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from lodur.model.errors import InvalidRequest, LodurError, NotFound, Unauthenticated, Unavailable
from lodur.store.object_store import ListedObject, StoredObject

if TYPE_CHECKING:
    from obstore.store import ObjectStore as ObstoreStore

RETRY_AFTER_S = 5.0
"""The client has already tried again for some time by itself."""

ERROR_CHARS_MAX = 400
"""Of a server's answer in a message: the reason stands at its beginning."""

RANGES_COALESCED_BYTES = 256 * 1024
"""Ranges that lie closer are fetched with the bytes between them: a request costs more than these bytes."""

LIST_CHUNK = 1000
"""Objects in one answer of S3, and the most that it gives."""

_REFUSED = re.compile(r"status code: 40[13]\b")


class CloudStore:
    """An object store behind an obstore client."""

    def __init__(self, client: ObstoreStore, *, name: str, spool_directory: Path, secrets: Sequence[str] = ()) -> None:
        self._client = client
        self._name = name
        self._spool_directory = spool_directory
        self._secrets = tuple(secret for secret in secrets if secret)

    def check(self) -> None:
        self._spool_directory.mkdir(parents=True, exist_ok=True)
        for left in self._spool_directory.iterdir():
            left.unlink()
        self.list_folders("")

    def get(self, path: str) -> StoredObject | None:
        with self._told(f"get {path}"):
            try:
                result = obstore.get(self._client, path)
                data = bytes(result.bytes())
            except FileNotFoundError as error:
                if _names_no_bucket(error):
                    raise
                return None
        return StoredObject(data, result.meta["e_tag"] or "")

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        starts, lengths = [offset for offset, _ in ranges], [length for _, length in ranges]
        with self._told(f"read {path}"):
            found = obstore.get_ranges(
                self._client, path, starts=starts, lengths=lengths, coalesce=RANGES_COALESCED_BYTES
            )
            return [bytes(part) for part in found]

    async def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        starts, lengths = [offset for offset, _ in ranges], [length for _, length in ranges]
        with self._told(f"read {path}"):
            found = await obstore.get_ranges_async(
                self._client, path, starts=starts, lengths=lengths, coalesce=RANGES_COALESCED_BYTES
            )
            return [bytes(part) for part in found]

    def put_file(self, path: str, source: Path) -> None:
        with self._told(f"put {path}"):
            obstore.put(self._client, path, source)
        source.unlink(missing_ok=True)

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        with self._told(f"replace {path}"):
            try:
                if version is None:
                    return obstore.put(self._client, path, data, mode="create")["e_tag"]
                return obstore.put(self._client, path, data, mode={"e_tag": version})["e_tag"]
            except (AlreadyExistsError, PreconditionError):
                return None
            except FileNotFoundError as error:
                # The object that was to be replaced is gone: for the caller one more way to be another by now.
                if version is None or _names_no_bucket(error):
                    raise
                return None

    def delete(self, path: str) -> None:
        with self._told(f"delete {path}"):
            try:
                obstore.delete(self._client, path)
            except FileNotFoundError as error:
                if _names_no_bucket(error):
                    raise

    def list_objects(self, prefix: str) -> list[ListedObject]:
        with self._told(f"list {prefix or '/'}"):
            chunks = obstore.list(self._client, prefix or None, chunk_size=LIST_CHUNK)
            found = [ListedObject(meta["path"], meta["size"]) for chunk in chunks for meta in chunk]
        return sorted(found, key=lambda listed: listed.path)

    def list_folders(self, prefix: str) -> list[str]:
        with self._told(f"list {prefix or '/'}"):
            found = obstore.list_with_delimiter(self._client, prefix or None)["common_prefixes"]
        return sorted(folder.rstrip("/").rpartition("/")[2] for folder in found)

    def spool(self, path: str) -> Path:
        self._spool_directory.mkdir(parents=True, exist_ok=True)
        return self._spool_directory / path.replace("/", "%")

    def local_path(self, path: str) -> Path | None:
        return None

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Say in the words of `ObjectStore` what the client raised."""
        try:
            yield
        except LodurError:
            raise
        except (BaseError, OSError, ValueError) as error:
            raise self._translated(what, error) from None

    def _translated(self, what: str, error: Exception) -> LodurError:
        if _names_no_bucket(error):
            return NotFound(f"{self._name}: there is no such bucket; make it, or name another in storage_config")
        if isinstance(error, FileNotFoundError):
            return NotFound(f"{self._name}: {what}: there is no such object")
        if isinstance(error, InvalidPathError):
            return InvalidRequest(f"{self._name}: {what}: {self._plain(error)}")
        # Listings do not tell refusals from other failures but by the text.
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or _REFUSED.search(str(error)):
            return Unauthenticated(
                f"{self._name}: {what} was refused: {self._plain(error)}; check the keys in storage_config (or the "
                "credentials of the environment) and what they are allowed to do"
            )
        return Unavailable(f"{self._name}: {what} failed: {self._plain(error)}", retry_after_s=RETRY_AFTER_S)

    def _plain(self, error: Exception) -> str:
        """The beginning of an error's text on one line, without what is secret."""
        text = str(error)
        for secret in self._secrets:
            text = text.replace(secret, "...")
        # obstore adds the Rust value behind the error for debugging.
        text = " ".join(text.partition("\n\nDebug source:")[0].split())
        return text[:ERROR_CHARS_MAX]


def _names_no_bucket(error: Exception) -> bool:
    return "NoSuchBucket" in str(error)
