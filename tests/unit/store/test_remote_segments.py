"""Segments in a remote store behind caches: what is fetched, what is fetched again, and damage on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from prometheus_client import CollectorRegistry

from lodur.kernels.segment import Segment
from lodur.model.errors import CorruptData
from lodur.model.limits import GIB, MIB
from lodur.model.tenant import TenantId
from lodur.query.scanning import Scanner
from lodur.store.cloud_store import CloudStore, CloudTraits
from lodur.store.journal import NoJournal
from lodur.store.manifest import Manifest, SegmentMeta, encode_manifest
from lodur.store.object_stores import ObjectStores
from lodur.store.options import CacheOptions
from lodur.store.store import Store
from lodur.telemetry.store_metrics import StoreMetrics
from tests.memory_store import DAY_NS, segment_file
from tests.scans import log_message

TENANT = TenantId("t")
LINES = [(second * 10**9, f"line {second} of the day") for second in range(500)]


class FlippingStore(CloudStore):
    """Flips a bit in the middle of the next answers to reads of ranges."""

    flips = 0

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return self._flipped(super().get_ranges(path, ranges))

    async def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return self._flipped(await super().read_ranges(path, ranges))

    def _flipped(self, parts: list[bytes]) -> list[bytes]:
        if not self.flips:
            return parts
        self.flips -= 1
        middle = len(parts[-1]) // 2
        return [*parts[:-1], parts[-1][:middle] + bytes([parts[-1][middle] ^ 1]) + parts[-1][middle + 1 :]]


class Bucket:
    """A store with one segment, and a process that reads it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.registry = CollectorRegistry()
        self.objects = FlippingStore(
            MemoryStore(),
            CloudTraits("memory"),
            spool_directory=directory / "spool",
            metrics=StoreMetrics(self.registry),
        )
        file = segment_file(directory / "s.parquet", {"app=x": LINES})
        segment = Segment.open_file(file)
        self.meta = SegmentMeta(
            id="s",
            path="t/segments/1970-01-01/s.parquet",
            min_ts_ns=segment.min_ts_ns,
            max_ts_ns=segment.max_ts_ns,
            rows=segment.rows,
            line_bytes=segment.line_bytes,
            file_bytes=file.stat().st_size,
            streams=1,
            level=0,
        )
        self.objects.put_file(self.meta.path, file)
        manifest = encode_manifest(Manifest("1970-01-01", (self.meta,), revision=1))
        self.objects.replace_if("t/manifest/1970-01-01.json", manifest, None)
        self.start()

    def start(self) -> None:
        """As another process on the same machine."""
        caches = CacheOptions(disk_directory=self.directory / "cache", disk_bytes_max=MIB)
        self.store = Store(ObjectStores([(0, self.objects)]), NoJournal(), caches=caches)
        self.store.load()

    def lines(self) -> int:
        """Entries that a query finds."""

        async def query() -> int:
            sources = await self.store.sources(TENANT, 0, DAY_NS)
            with ThreadPoolExecutor(1) as pool:
                result = await Scanner(pool, threads=1).logs(log_message('{app="x"}', 0, DAY_NS), sources, GIB)
            return result.entries

        return asyncio.run(query())

    def requests(self) -> float:
        return self.registry.get_sample_value("lodur_object_store_requests_total", {"operation": "get_range"}) or 0


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    made = Bucket(tmp_path)
    yield made
    made.store.close()


def test_pages_are_fetched_once_and_outlive_the_process(bucket: Bucket) -> None:
    assert bucket.lines() == len(LINES)
    fetched = bucket.requests()
    assert bucket.lines() == len(LINES)
    assert bucket.requests() == fetched
    bucket.store.close()
    bucket.start()
    assert bucket.lines() == len(LINES)
    assert bucket.requests() <= fetched


def test_a_directory_that_is_damaged_on_the_way_is_read_again(bucket: Bucket) -> None:
    bucket.objects.flips = 1
    assert bucket.lines() == len(LINES)
    assert bucket.objects.flips == 0
    assert bucket.store.set_aside() == {}


def test_pages_that_are_damaged_on_the_way_are_not_kept(bucket: Bucket) -> None:
    asyncio.run(bucket.store.sources(TENANT, 0, DAY_NS))
    bucket.objects.flips = 1
    with pytest.raises(CorruptData):
        bucket.lines()
    assert bucket.lines() == len(LINES)
    bucket.store.close()
    bucket.start()
    assert bucket.lines() == len(LINES)


def test_without_the_cache_s_directory_all_goes_on(bucket: Bucket) -> None:
    assert bucket.lines() == len(LINES)
    for file in bucket.directory.glob("cache/*/*"):
        file.unlink()
    bucket.store.close()
    bucket.start()
    assert bucket.lines() == len(LINES)
