"""The manifest of a day: which of a tenant's segments are live, and how far each writer's WAL is in them.

Pure values and functions; `manifest_store` reads and commits them. Format: docs/formats/manifest.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from lodur.model.errors import CorruptData

VERSION = 1
"""Of the format that is written; the only one that is read so far."""


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


@dataclass(frozen=True, slots=True)
class Manifest:
    """The live segments of one day, in the order of their commits."""

    day: str
    segments: tuple[SegmentMeta, ...] = ()
    covered: Mapping[str, int] = field(default_factory=dict)
    """By writer: every row of this day from its WAL records up to this number is in `segments`."""
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a flush adds to a day: a segment (None if it had no rows of this day), and the records that it covers."""

    segment: SegmentMeta | None
    writer_id: str
    up_to_seq: int


def with_flushed(manifest: Manifest, flushed: Flushed) -> Manifest:
    """The manifest after a flush. The same flush applied again changes nothing."""
    known = {segment.id for segment in manifest.segments}
    added = (flushed.segment,) if flushed.segment and flushed.segment.id not in known else ()
    covered_seq = max(flushed.up_to_seq, manifest.covered.get(flushed.writer_id, 0))
    return replace(
        manifest,
        segments=(*manifest.segments, *added),
        covered={**manifest.covered, flushed.writer_id: covered_seq},
    )


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
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1) + b"\n"


def decode_manifest(data: bytes, path: str) -> Manifest:
    """The manifest of a file. Raises CorruptData for damage and for versions that this build does not know."""
    try:
        version = _VERSIONED.decode(data).version
        if version != VERSION:
            raise CorruptData(f"{path}: manifest version {version} is not known, this build reads 1", path=path)
        return _MANIFEST.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptData(f"{path}: not a manifest: {error}", path=path) from error


class _Versioned(msgspec.Struct):
    version: int


# Made here, once: several threads that each make one of the same type at the same time crash msgspec.
_VERSIONED = msgspec.json.Decoder(_Versioned)
_MANIFEST = msgspec.json.Decoder(Manifest)
