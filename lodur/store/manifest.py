"""The manifest of a day: which of a tenant's segments are live, and how far each writer's WAL is in them.

Pure values and functions; `manifest_store` reads and commits them. Format: docs/formats/manifest.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import msgspec

from lodur.model.errors import CorruptData
from lodur.store.summed_json import SumState, restored_files, sum_state, with_sum

VERSION = 4
"""Of the format that is written. Versions 1 (without claims and removed segments), 2 (without a checksum) and 3 (that
knew nothing of delete requests) are read too."""

VERSIONS_READ = frozenset({1, 2, 3, VERSION})

SUMMED_SINCE = 3
"""The first version with a checksum."""


class DamagedManifest(CorruptData):
    """A manifest's bytes are not those that were written."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: damaged manifest at byte 0: {reason}", path=path, offset=0)


@dataclass(frozen=True, slots=True)
class SegmentMeta:
    """What is known of a segment without opening it. Timestamps are the first and the last of its rows."""

    id: str
    path: str
    min_ts_ns: int
    max_ts_ns: int
    rows: int
    line_bytes: int
    """Of the lines, uncompressed."""
    file_bytes: int
    streams: int
    level: int
    """0 as flushed; each merge adds one."""
    zstd_level: int = 0
    """That its columns are compressed with; 0 for another codec, and where it is not known."""
    crc32: int | None = None
    """Of the whole object; None where it is not known."""
    accepted_from_ns: int = 0
    """When the first of its entries was accepted, or before; 0 where it is not known."""
    deletes_through: int = 0
    """All delete requests up to this number have been applied to it, as far as they concern it."""

    @property
    def is_unread(self) -> bool:
        """Whether its rows are not known: it could not be read when a manifest was rebuilt. No segment is empty."""
        return not self.rows


@dataclass(frozen=True, slots=True)
class Removal:
    """Entries that a delete request took from a segment."""

    request_id: str
    rows: int
    at_ns: int
    by: str
    """The process."""
    into: tuple[str, ...]
    """Ids of the segments that have the rows which are left."""


@dataclass(frozen=True, slots=True)
class RemovedSegment:
    """A segment that is live no more; its object stays for those who read it still."""

    path: str
    delete_at_ns: int
    """When the object may be deleted."""
    removals: tuple[Removal, ...] = ()
    """Go to the audit trail before the object is deleted."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A process that works on the day's segments; others leave them alone meanwhile."""

    owner: str
    until_ns: int
    """When it is taken for dead."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The live segments of one day, in the order of their commits."""

    day: str
    segments: tuple[SegmentMeta, ...] = ()
    covered: Mapping[str, int] = field(default_factory=dict)
    """By writer: every row of this day from its WAL records up to this number is in `segments`."""
    removed: tuple[RemovedSegment, ...] = ()
    claim: Claim | None = None
    revision: int = 0
    """Grows with each commit."""
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a flush adds to a day: a segment (None if it had no rows of this day), and the records that it covers."""

    segment: SegmentMeta | None
    writer_id: str
    up_to_seq: int


def with_flushed(manifest: Manifest, flushed: Flushed) -> Manifest:
    """The manifest after a flush. The same flush again changes nothing, even if its segment is merged by then."""
    if manifest.covered.get(flushed.writer_id, 0) >= flushed.up_to_seq:
        return manifest
    segment = flushed.segment
    # One that was rebuilt may name the segment already, or have it merged: then its object goes soon.
    named = {one.path for one in manifest.segments} | {one.path for one in manifest.removed}
    is_named = segment is None or segment.path in named
    return replace(
        manifest,
        segments=manifest.segments if is_named or segment is None else (*manifest.segments, segment),
        covered={**manifest.covered, flushed.writer_id: flushed.up_to_seq},
    )


@dataclass(frozen=True, slots=True)
class Replaced:
    """Live segments that are replaced by others with the same rows, but for repetitions, what has expired and what was
    deleted."""

    inputs: tuple[SegmentMeta, ...]
    outputs: tuple[SegmentMeta, ...]
    delete_at_ns: int
    removals: Mapping[str, tuple[Removal, ...]] = field(default_factory=dict)
    """By path of the input."""


def with_replaced(manifest: Manifest, replaced: Replaced) -> Manifest:
    """The manifest after a merge; unchanged where one of the inputs is live no more, as after the same merge."""
    live = {segment.path for segment in manifest.segments}
    gone = {segment.path for segment in replaced.inputs}
    if not gone <= live:
        return manifest
    last = max(number for number, segment in enumerate(manifest.segments) if segment.path in gone)
    # What is committed between the inputs does not overlap those before it, or it would be among them.
    before = [segment for segment in manifest.segments[:last] if segment.path not in gone]
    removed = (
        RemovedSegment(segment.path, replaced.delete_at_ns, replaced.removals.get(segment.path, ()))
        for segment in replaced.inputs
    )
    return replace(
        manifest,
        segments=(*before, *replaced.outputs, *manifest.segments[last + 1 :]),
        removed=(*manifest.removed, *removed),
    )


def has_replaced(manifest: Manifest, replaced: Replaced) -> bool:
    """Whether this merge is in the manifest."""
    known = {segment.path for segment in manifest.segments} | {segment.path for segment in manifest.removed}
    return all(segment.path in known for segment in replaced.outputs) and (
        {segment.path for segment in manifest.segments}.isdisjoint(segment.path for segment in replaced.inputs)
    )


def with_cleared(manifest: Manifest, paths: frozenset[str], deletes_through: int) -> Manifest:
    """The manifest once it is known that no delete request up to a number has anything to take from some segments."""
    return replace(
        manifest,
        segments=tuple(
            replace(segment, deletes_through=max(segment.deletes_through, deletes_through))
            if segment.path in paths
            else segment
            for segment in manifest.segments
        ),
    )


def without_removed(manifest: Manifest, paths: frozenset[str]) -> Manifest:
    """The manifest once the objects of removed segments are deleted."""
    return replace(manifest, removed=tuple(segment for segment in manifest.removed if segment.path not in paths))


def with_claim(manifest: Manifest, claim: Claim, now_ns: int) -> Manifest:
    """The manifest with a claim; unchanged while another's holds."""
    other = manifest.claim
    if other is not None and other.owner != claim.owner and other.until_ns > now_ns:
        return manifest
    return replace(manifest, claim=claim)


def without_claim(manifest: Manifest, owner: str) -> Manifest:
    """The manifest without a claim of this owner."""
    return replace(manifest, claim=None) if manifest.claim is not None and manifest.claim.owner == owner else manifest


def segments_between(manifests: Sequence[Manifest], start_ns: int, end_ns: int) -> list[SegmentMeta]:
    """The segments that may hold rows of a span, by day and then by commit."""
    return [
        segment
        for manifest in sorted(manifests, key=lambda manifest: manifest.day)
        for segment in manifest.segments
        if segment.min_ts_ns < end_ns and segment.max_ts_ns >= start_ns
    ]


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as a file."""
    return with_sum(msgspec.json.encode(manifest, order="deterministic"))


def decode_manifest(data: bytes, path: str) -> Manifest:
    """The manifest of a file. Raises DamagedManifest, and CorruptData for versions that this build does not know."""
    state = sum_state(data)
    if state is SumState.WRONG:
        raise DamagedManifest(path, "its bytes do not match its checksum")
    try:
        version = _VERSIONED.decode(data).version
        if version not in VERSIONS_READ:
            known = ", ".join(map(str, sorted(VERSIONS_READ)))
            raise CorruptData(f"{path}: manifest version {version} is not known, this build reads {known}", path=path)
        if version >= SUMMED_SINCE and state is SumState.ABSENT:
            raise DamagedManifest(path, "it does not begin with its checksum and its copy")
        return replace(_MANIFEST.decode(data), version=VERSION)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedManifest(path, f"not a manifest: {error}") from error


def restored_manifest(data: bytes, path: str) -> Manifest | None:
    """The manifest of a damaged file, from its body or from the copy, whichever is whole; None where neither is."""
    for file in restored_files(data):
        with suppress(DamagedManifest):
            return decode_manifest(file, path)
    return None


class _Versioned(msgspec.Struct):
    version: int


# Made here, once: several threads that each make one of the same type at the same time crash msgspec.
_VERSIONED = msgspec.json.Decoder(_Versioned)
_MANIFEST = msgspec.json.Decoder(Manifest)
