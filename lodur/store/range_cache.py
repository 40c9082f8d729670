"""Ranges of remote segments on the local disk: bounded, checked by sums, found again after a restart.

Each call of `keep` makes one file, a pack; the oldest packs that nobody reads go first. Nothing here is needed: files
may be deleted while the server runs, and whatever is missing, cut short or damaged is fetched anew. Segments never
change, so a range of a path has the same bytes for ever. Start at `RangeCache`.
"""

from __future__ import annotations

import os
import shutil
import struct
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from lodur.telemetry.store_metrics import CacheMetrics

NAME = "ranges"
"""In metrics."""

DISK_FREE_SHARE = 20
"""A disk of which less than one part in so many is free takes nothing more: others need it, the WAL before all."""

PACKS_MAX = 500_000
"""Files; with what is known of each in memory (about 1 KiB) they stay within half a GiB."""

HEADER_BYTES_MAX = 16 * 1024 * 1024
"""A header that claims more is damaged: it names some ten thousand ranges at most."""

SUFFIX = ".ranges"
NEW_SUFFIX = ".new"
"""Of a pack that is being written."""

FOLDER_PATTERN = "[0-9a-f]" * 2
FILE_PATTERN = "[0-9a-f]" * 16
"""No other files are looked at, whatever directory an operator names."""

_MAGIC = b"LODURRC1"
_PREFIX = struct.Struct("<8sII")
"""Magic, length of the header, checksum of the header."""

_log = structlog.get_logger(__name__)

Range = tuple[int, int]
"""Offset and length."""


class _Header(msgspec.Struct, frozen=True, array_like=True):
    """What a pack holds: the object's path, and offset, length and checksum of each range, which follow in order."""

    path: str
    ranges: list[tuple[int, int, int]]


# Made here, once: several threads that each make one of the same type at the same time crash msgspec.
_HEADER = msgspec.msgpack.Decoder(_Header)


@dataclass(frozen=True, slots=True)
class _Pack:
    """A file of the cache."""

    file: Path
    path: str
    size_bytes: int
    places: dict[Range, tuple[int, int]]
    """Of each range, where it starts in the file, and its checksum."""


class RangeCache:
    """A cache in one directory of its own, of at most `bytes_max`. All methods block; any thread may call them."""

    def __init__(self, directory: Path, bytes_max: int, metrics: CacheMetrics) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._hits = metrics.hits.labels(NAME)
        self._misses = metrics.misses.labels(NAME)
        self._evicted = metrics.evicted.labels(NAME)
        self._damaged = metrics.damaged.labels(NAME)
        self._gauge_bytes, self._gauge_entries = metrics.bytes.labels(NAME), metrics.entries.labels(NAME)
        self._lock = threading.Lock()
        self._packs: OrderedDict[str, _Pack] = OrderedDict()
        """By name, the one that was read last at the end."""
        self._by_path: dict[str, dict[Range, str]] = {}
        """Names of packs by path and range."""
        self._bytes = 0
        self._next = 0

    def load(self) -> None:
        """Find what an earlier process has left, oldest first; packs that are damaged or half written are deleted."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            names = (f"{FOLDER_PATTERN}/{FILE_PATTERN}{suffix}" for suffix in (SUFFIX, NEW_SUFFIX))
            files = sorted((file for name in names for file in self._directory.glob(name)), key=_modified_ns)
        except OSError as error:
            _log.warning("disk cache cannot be used", directory=str(self._directory), err=str(error))
            self._bytes_max = 0
            return
        for file in files:
            pack = _read_pack(file)
            if pack is None:
                self._damaged.inc()
                _delete(file)
                continue
            with self._lock:
                self._enter(pack)
                self._next = max(self._next, int(file.stem, 16) + 1)
        self._make_room(0)

    def find(self, path: str, ranges: Sequence[Range]) -> list[bytes | None]:
        """The bytes of each range; None where they are not there."""
        found: list[bytes | None] = [None] * len(ranges)
        by_pack: dict[str, list[int]] = {}
        packs: dict[str, _Pack] = {}
        with self._lock:
            known = self._by_path.get(path, {})
            for place, wanted in enumerate(ranges):
                name = known.get(wanted)
                if name is not None:
                    by_pack.setdefault(name, []).append(place)
                    packs[name] = self._packs[name]
                    self._packs.move_to_end(name)
        for name, places in by_pack.items():
            pack = packs[name]
            parts = _read_ranges(pack, [ranges[place] for place in places])
            if parts is None:
                self._damaged.inc(self._drop(name))
                continue
            for place, part in zip(places, parts, strict=True):
                found[place] = part
        hits = sum(part is not None for part in found)
        self._hits.inc(hits)
        self._misses.inc(len(found) - hits)
        return found

    def keep(self, path: str, ranges: Sequence[Range], parts: Sequence[bytes]) -> None:
        """Keep these ranges, as far as there is room and the disk takes them."""
        size_bytes = sum(map(len, parts))
        if not ranges or size_bytes > self._bytes_max or not self._has_room(size_bytes):
            return
        with self._lock:
            name = f"{self._next:016x}"
            self._next += 1
        file = self._directory / name[-2:] / f"{name}{SUFFIX}"
        pack = _written(file, path, ranges, parts)
        if pack is None:
            return
        self._make_room(pack.size_bytes)
        with self._lock:
            self._enter(pack)

    def forget(self, paths: Iterable[str]) -> None:
        """Let the ranges of these objects go: they are read no more."""
        for path in paths:
            with self._lock:
                names = set(self._by_path.get(path, {}).values())
            for name in names:
                self._drop(name)

    def _enter(self, pack: _Pack) -> None:
        self._packs[pack.file.stem] = pack
        self._by_path.setdefault(pack.path, {}).update(dict.fromkeys(pack.places, pack.file.stem))
        self._bytes += pack.size_bytes
        self._measure()

    def _measure(self) -> None:
        self._gauge_bytes.set(self._bytes)
        self._gauge_entries.set(len(self._packs))

    def _drop(self, name: str) -> int:
        """Take a pack out and delete its file; how many that were."""
        with self._lock:
            pack = self._packs.pop(name, None)
            if pack is None:
                return 0
            self._bytes -= pack.size_bytes
            known = self._by_path.get(pack.path, {})
            for wanted in pack.places:
                if known.get(wanted) == name:
                    del known[wanted]
            if not known:
                self._by_path.pop(pack.path, None)
            self._measure()
        _delete(pack.file)
        return 1

    def _make_room(self, size_bytes: int) -> None:
        """Let the packs go that were read longest ago, until there is room for so much more."""
        while True:
            with self._lock:
                is_enough = self._bytes + size_bytes <= self._bytes_max and len(self._packs) < PACKS_MAX
                oldest = next(iter(self._packs), None)
            if is_enough or oldest is None:
                return
            self._evicted.inc(self._drop(oldest))

    def _has_room(self, size_bytes: int) -> bool:
        try:
            # Whoever emptied the cache may have taken its directory too.
            self._directory.mkdir(parents=True, exist_ok=True)
            disk = shutil.disk_usage(self._directory)
        except OSError:
            return False
        return disk.free - size_bytes > disk.total // DISK_FREE_SHARE


def _modified_ns(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_mtime_ns
    return 0


def _delete(file: Path) -> None:
    with suppress(OSError):
        file.unlink()


def _written(file: Path, path: str, ranges: Sequence[Range], parts: Sequence[bytes]) -> _Pack | None:
    """The pack, written; None where the disk refuses. Nothing is synced: the checksums tell what came through."""
    sums = [zlib.crc32(part) for part in parts]
    entries = [(offset, length, total) for (offset, length), total in zip(ranges, sums, strict=True)]
    header = msgspec.msgpack.encode(_Header(path, entries))
    new = file.with_suffix(NEW_SUFFIX)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as out:
            out.write(_PREFIX.pack(_MAGIC, len(header), zlib.crc32(header)))
            out.write(header)
            out.writelines(parts)
        new.rename(file)
    except OSError:
        _delete(new)
        return None
    return _pack_of(file, header, _PREFIX.size + len(header) + sum(map(len, parts)))


def _pack_of(file: Path, header: bytes, size_bytes: int) -> _Pack | None:
    """What a header says; None where it does not fit the file."""
    try:
        found = _HEADER.decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    places: dict[Range, tuple[int, int]] = {}
    at = _PREFIX.size + len(header)
    for offset, length, total in found.ranges:
        places[(offset, length)] = (at, total)
        at += length
    return _Pack(file, found.path, size_bytes, places) if at == size_bytes else None


def _read_pack(file: Path) -> _Pack | None:
    """What a file holds; None where it is no whole pack."""
    try:
        int(file.stem, 16)
        with file.open("rb") as data:
            magic, length, total = _PREFIX.unpack(data.read(_PREFIX.size))
            header = data.read(length) if magic == _MAGIC and length <= HEADER_BYTES_MAX else b""
            size_bytes = os.fstat(data.fileno()).st_size
    except (OSError, ValueError, struct.error):
        return None
    is_header = file.suffix == SUFFIX and len(header) == length and zlib.crc32(header) == total
    return _pack_of(file, header, size_bytes) if is_header else None


def _read_ranges(pack: _Pack, ranges: Sequence[Range]) -> list[bytes] | None:
    """The bytes of some ranges of a pack; None where one of them is not what was written."""
    try:
        return list(_checked(pack, ranges))
    except (OSError, ValueError):
        return None


def _checked(pack: _Pack, ranges: Sequence[Range]) -> Iterator[bytes]:
    with pack.file.open("rb", buffering=0) as data:
        for wanted in ranges:
            at, total = pack.places[wanted]
            part = os.pread(data.fileno(), wanted[1], at)
            if zlib.crc32(part) != total:
                raise ValueError(f"{pack.file} is damaged")
            yield part
