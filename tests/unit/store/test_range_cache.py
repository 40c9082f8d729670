"""Ranges on the disk: found again, bounded, and never wrong whatever happens to the files."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore
from prometheus_client import CollectorRegistry

from lodur.model.errors import NotFound
from lodur.store.cloud_store import CloudStore, CloudTraits
from lodur.store.memory_cache import MemoryCache
from lodur.store.range_cache import RangeCache
from lodur.store.segment_reads import SMALL_BYTES, SegmentReads
from lodur.telemetry.store_metrics import CacheMetrics, StoreMetrics

PACK_BYTES = 1000


class Cached:
    """A cache, and what it counts."""

    def __init__(self, directory: Path, bytes_max: int = 1 << 20) -> None:
        self.directory = directory
        self.registry = CollectorRegistry()
        self.cache = RangeCache(directory, bytes_max, CacheMetrics(self.registry))
        self.cache.load()

    def count(self, what: str) -> float | None:
        return self.registry.get_sample_value(f"lodur_cache_{what}", {"cache": "ranges"})

    def files(self) -> list[Path]:
        return sorted(file for file in self.directory.rglob("*") if file.is_file())


@pytest.fixture
def cached(tmp_path: Path) -> Cached:
    return Cached(tmp_path / "cache")


def test_what_is_kept_is_found(cached: Cached) -> None:
    cached.cache.keep("t/a", [(0, 3), (10, 2)], [b"abc", b"xy"])
    assert cached.cache.find("t/a", [(10, 2), (0, 3), (0, 2), (11, 1)]) == [b"xy", b"abc", None, None]
    assert cached.cache.find("t/b", [(0, 3)]) == [None]
    assert (cached.count("hits_total"), cached.count("misses_total"), cached.count("entries")) == (2, 3, 1)


def test_a_later_process_finds_it_again(cached: Cached) -> None:
    cached.cache.keep("t/a", [(0, 3)], [b"abc"])
    cached.cache.keep("t/b", [(7, 1)], [b"x"])
    later = Cached(cached.directory)
    assert later.cache.find("t/a", [(0, 3)]) == [b"abc"]
    assert later.cache.find("t/b", [(7, 1)]) == [b"x"]
    assert later.count("bytes") == cached.count("bytes")
    later.cache.keep("t/c", [(0, 1)], [b"c"])
    assert len(later.files()) == 3


def test_what_was_read_longest_ago_goes_first(tmp_path: Path) -> None:
    cached = Cached(tmp_path, 3 * PACK_BYTES + 500)
    for name in "abc":
        cached.cache.keep(name, [(0, PACK_BYTES)], [name.encode() * PACK_BYTES])
    assert cached.cache.find("a", [(0, PACK_BYTES)]) != [None]
    cached.cache.keep("d", [(0, PACK_BYTES)], [b"d" * PACK_BYTES])
    assert cached.cache.find("b", [(0, PACK_BYTES)]) == [None]
    assert cached.cache.find("a", [(0, PACK_BYTES)]) == [b"a" * PACK_BYTES]
    assert cached.count("evictions_total") == 1
    assert sum(file.stat().st_size for file in cached.files()) == cached.count("bytes")
    smaller = Cached(tmp_path, PACK_BYTES + 500)
    assert len(smaller.files()) == 1


def test_what_is_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    cached = Cached(tmp_path, 100)
    cached.cache.keep("a", [(0, 200)], [bytes(200)])
    assert cached.files() == []


def test_files_may_go_at_any_time(cached: Cached) -> None:
    cached.cache.keep("t/a", [(0, 3)], [b"abc"])
    cached.cache.keep("t/b", [(0, 3)], [b"abc"])
    cached.files()[0].unlink()
    assert cached.cache.find("t/a", [(0, 3)]) == [None]
    shutil.rmtree(cached.directory)
    assert cached.cache.find("t/b", [(0, 3)]) == [None]
    cached.cache.keep("t/b", [(0, 3)], [b"abc"])
    assert cached.cache.find("t/b", [(0, 3)]) == [b"abc"]


def test_forgotten_objects_leave_no_file(cached: Cached) -> None:
    cached.cache.keep("t/a", [(0, 3)], [b"abc"])
    cached.cache.keep("t/a", [(5, 3)], [b"def"])
    cached.cache.keep("t/b", [(0, 3)], [b"abc"])
    cached.cache.forget(["t/a", "t/never"])
    assert cached.cache.find("t/a", [(0, 3), (5, 3)]) == [None, None]
    assert len(cached.files()) == 1


def test_files_of_others_are_let_be(tmp_path: Path) -> None:
    others = [tmp_path / "notes.txt", tmp_path / "00" / "notes.txt", tmp_path / "zz" / f"{0:016x}.ranges"]
    for other in others:
        other.parent.mkdir(exist_ok=True)
        other.write_text("mine")
    left = tmp_path / "00" / f"{0:016x}.new"
    left.write_text("half")
    Cached(tmp_path)
    assert all(other.exists() for other in others)
    assert not left.exists()


@settings(max_examples=60)
@given(data=st.data())
def test_damage_is_never_answered(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    cached = Cached(tmp_path_factory.mktemp("cache"))
    parts = [b"first range", b"the second one"]
    ranges = [(0, len(parts[0])), (100, len(parts[1]))]
    cached.cache.keep("t/a", ranges, parts)
    (file,) = cached.files()
    whole = file.read_bytes()
    if data.draw(st.booleans()):
        file.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        at = data.draw(st.integers(0, len(whole) - 1))
        file.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[at + 1 :])
    for cache in (cached.cache, Cached(cached.directory).cache):
        for wanted, part in zip(ranges, parts, strict=True):
            assert cache.find("t/a", [wanted])[0] in (None, part)


def test_a_cache_in_memory_is_bounded() -> None:
    registry = CollectorRegistry()
    cache: MemoryCache[str, int] = MemoryCache("small_ranges", 10, CacheMetrics(registry), entries_max=3)
    for number, key in enumerate("abc"):
        cache.keep(key, number, 4)
    assert cache.find(["a", "b", "c"]) == [None, 1, 2]
    cache.keep("huge", 3, 11)
    assert cache.get("huge") is None
    cache.keep("b", 7, 1)
    cache.keep("d", 8, 1)
    cache.keep("e", 9, 1)
    assert cache.find(["b", "c", "d", "e"]) == [7, None, 8, 9]
    cache.forget(["d", "x"])
    assert cache.get("d") is None
    assert registry.get_sample_value("lodur_cache_bytes", {"cache": "small_ranges"}) == 2
    assert registry.get_sample_value("lodur_cache_evictions_total", {"cache": "small_ranges"}) == 2


class Reading:
    """A store in memory, and reads of it through caches."""

    def __init__(self, directory: Path, *, small_bytes_max: int = 1 << 20) -> None:
        self.registry = CollectorRegistry()
        metrics = CacheMetrics(CollectorRegistry())
        client = MemoryStore()
        self.store = CloudStore(
            client, CloudTraits("memory"), spool_directory=directory / "spool", metrics=StoreMetrics(self.registry)
        )
        disk = RangeCache(directory / "cache", 1 << 30, metrics)
        disk.load()
        self.reads = SegmentReads(small_bytes_max, disk, metrics)
        self.data = bytes(range(256)) * 1024
        self.store.replace_if("t/a", self.data, None)

    def read(self, *ranges: tuple[int, int]) -> None:
        found = asyncio.run(self.reads.read(self.store, "t/a", ranges))
        assert found == [self.data[offset : offset + length] for offset, length in ranges]

    def requests(self) -> float:
        return self.registry.get_sample_value("lodur_object_store_requests_total", {"operation": "get_range"}) or 0


def test_each_range_is_fetched_once(tmp_path: Path) -> None:
    reading = Reading(tmp_path)
    small, large = (10, 100), (1000, SMALL_BYTES + 1)
    reading.read(small, large)
    reading.reads.close()
    assert reading.requests() == 1
    reading = Reading(tmp_path)
    reading.read(large, small)
    reading.read(small)
    assert reading.reads.get(reading.store, "t/a", large) == reading.data[1000 : 1000 + SMALL_BYTES + 1]
    assert reading.requests() == 0
    reading.read((0, 1), small, large)
    assert reading.requests() == 1
    reading.reads.close()


def test_small_ranges_need_no_disk(tmp_path: Path) -> None:
    reading = Reading(tmp_path)
    reading.read((10, 100))
    # Comes after what is on its way to the disk, which would meet the removal.
    reading.reads.discard("t/other")
    shutil.rmtree(tmp_path / "cache")
    reading.read((10, 100))
    assert reading.requests() == 1
    reading.reads.close()


def test_what_was_damaged_on_the_way_is_fetched_anew(tmp_path: Path) -> None:
    reading = Reading(tmp_path)
    small, large = (10, 100), (1000, SMALL_BYTES + 1)
    reading.read(small, large)
    reading.reads.discard("t/a")
    reading.read(small, large)
    assert reading.requests() == 2
    reading.reads.close()


def test_after_the_end_nothing_fails(tmp_path: Path) -> None:
    reading = Reading(tmp_path)
    reading.reads.close()
    reading.read((10, 100))
    reading.reads.forget(["t/a"])
    reading.reads.discard("t/a")


def test_a_missing_object_is_missing_through_caches(tmp_path: Path) -> None:
    reading = Reading(tmp_path)
    with pytest.raises(NotFound):
        asyncio.run(reading.reads.read(reading.store, "t/b", [(0, 1)]))
    with pytest.raises(NotFound):
        reading.reads.get(reading.store, "t/b", (0, 1))
    reading.reads.close()
