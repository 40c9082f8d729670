"""Objects in a bucket (or in memory), through obstore.

Which client reaches the bucket is chosen in `cloud_clients`; what it raises is translated by `cloud_errors`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from prometheus_client import CollectorRegistry

from lodur.model.clock import Clock, SystemClock
from lodur.model.errors import LodurError
from lodur.model.limits import MIB
from lodur.store.cloud_errors import names_no_bucket, translated
from lodur.store.object_store import ListedObject, StoredObject
from lodur.store.range_merging import MergedRead, cut, merged_reads
from lodur.telemetry.store_metrics import StoreMetrics

if TYPE_CHECKING:
    # Typed dictionaries that do not exist at run time.
    from obstore import Attributes, ObjectMeta, PutMode, PutResult, UpdateVersion
    from obstore.store import ObjectStore as ObstoreStore

LIST_CHUNK = 1000
"""Objects in one answer of S3, and the most that it gives."""

PART_BYTES = 8 * MIB
"""Larger files are sent in parts of this size, each of which is tried again by itself."""

PARTS_AT_ONCE = 4
"""Parts of one file under way: 32 MiB of memory hide the store's delay."""


@dataclass(frozen=True, slots=True)
class CloudTraits:
    """What is particular to one place."""

    name: str
    """In errors."""
    secrets: tuple[str, ...] = ()
    """Never to be seen in an error."""
    storage_class: str = ""
    """Of files that are put; empty: the bucket's default."""
    is_versioned_by_number: bool = False
    """A conditional write compares the number that the store gives each write of an object, not its ETag."""


class CloudStore:
    """An object store behind an obstore client."""

    def __init__(
        self,
        client: ObstoreStore,
        traits: CloudTraits,
        *,
        spool_directory: Path,
        metrics: StoreMetrics | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._traits = traits
        self._spool_directory = spool_directory
        self._metrics = metrics or StoreMetrics(CollectorRegistry())
        self._clock = clock or SystemClock()
        self._attributes: Attributes | None = {"Storage-Class": traits.storage_class} if traits.storage_class else None

    def check(self, writer_prefix: str = "") -> None:
        # The folder is this process's own.
        self._spool_directory.mkdir(parents=True, exist_ok=True)
        for left in self._spool_directory.iterdir():
            left.unlink()
        self.list_folders("")

    def get(self, path: str) -> StoredObject | None:
        with self._told("get", f"get {path}"):
            try:
                result = obstore.get(self._client, path)
                data = bytes(result.bytes())
                self._metrics.read_bytes.inc(len(data))
            except FileNotFoundError as error:
                if names_no_bucket(error):
                    raise
                return None
        return StoredObject(data, self._version(result.meta) or "")

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        reads = merged_reads(ranges)
        with self._told("get_range", f"read {path}", requests=len(reads)):
            found = obstore.get_ranges(
                self._client,
                path,
                starts=[read.offset for read in reads],
                lengths=[read.length for read in reads],
                coalesce=0,
            )
            return self._cut(reads, [bytes(part) for part in found], ranges)

    async def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        reads = merged_reads(ranges)
        with self._told("get_range", f"read {path}", requests=len(reads)):
            found = await obstore.get_ranges_async(
                self._client,
                path,
                starts=[read.offset for read in reads],
                lengths=[read.length for read in reads],
                coalesce=0,
            )
            return self._cut(reads, [bytes(part) for part in found], ranges)

    def put_file(self, path: str, source: Path) -> None:
        with self._told("upload", f"put {path}"):
            obstore.put(
                self._client,
                path,
                source,
                attributes=self._attributes,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
        source.unlink(missing_ok=True)

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        with self._told("upload", f"replace {path}"):
            try:
                mode: PutMode = "create" if version is None else self._update(version)
                return self._version(obstore.put(self._client, path, data, mode=mode, use_multipart=False))
            except (AlreadyExistsError, PreconditionError):
                return None
            except FileNotFoundError as error:
                # The object that was to be replaced is gone: for the caller one more way to be another by now.
                if version is None or names_no_bucket(error):
                    raise
                return None

    def delete(self, path: str) -> None:
        with self._told("delete", f"delete {path}"):
            try:
                obstore.delete(self._client, path)
            except FileNotFoundError as error:
                if names_no_bucket(error):
                    raise

    def list_objects(self, prefix: str) -> list[ListedObject]:
        with self._told("iter", f"list {prefix or '/'}"):
            chunks = obstore.list(self._client, prefix or None, chunk_size=LIST_CHUNK)
            found = [ListedObject(meta["path"], meta["size"]) for chunk in chunks for meta in chunk]
        return sorted(found, key=lambda listed: listed.path)

    def list_folders(self, prefix: str) -> list[str]:
        with self._told("iter", f"list {prefix or '/'}"):
            found = obstore.list_with_delimiter(self._client, prefix or None)["common_prefixes"]
        return sorted(folder.rstrip("/").rpartition("/")[2] for folder in found)

    def spool(self, path: str) -> Path:
        self._spool_directory.mkdir(parents=True, exist_ok=True)
        return self._spool_directory / path.replace("/", "%")

    def local_path(self, path: str) -> Path | None:
        return None

    @contextmanager
    def _told(self, operation: str, what: str, *, requests: int = 1) -> Iterator[None]:
        """Measure an operation, and say in the words of `ObjectStore` what the client raised."""
        begun_s = self._clock.monotonic_s()
        self._metrics.requests.labels(operation).inc(requests)
        try:
            yield
        except LodurError:
            raise
        except (BaseError, OSError, ValueError) as error:
            self._metrics.failures.labels(operation).inc()
            raise translated(self._traits.name, what, error, self._traits.secrets) from None
        finally:
            self._metrics.seconds.labels(operation).observe(self._clock.monotonic_s() - begun_s)

    def _cut(
        self, reads: Sequence[MergedRead], parts: Sequence[bytes], ranges: Sequence[tuple[int, int]]
    ) -> list[bytes]:
        self._metrics.read_bytes.inc(sum(len(part) for part in parts))
        return cut(reads, parts, ranges)

    def _version(self, written: ObjectMeta | PutResult) -> str | None:
        return written["version"] if self._traits.is_versioned_by_number else written["e_tag"]

    def _update(self, version: str) -> UpdateVersion:
        if self._traits.is_versioned_by_number:
            return {"version": version}
        return {"e_tag": version}
