"""Ranges of one object that lie close are read by one request, with what lies between. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GAP_BYTES = 32 * 1024
"""What may always lie between two ranges: a request costs more than these bytes."""

GAP_MAX_BYTES = 256 * 1024
"""Between larger ranges more may, as long as it is no more than what was asked for: pages, not slices of a filter."""


@dataclass(frozen=True, slots=True)
class MergedRead:
    """One request, and the wanted ranges inside it by their place in the list."""

    offset: int
    length: int
    wanted: tuple[int, ...]


def merged_reads(ranges: Sequence[tuple[int, int]]) -> list[MergedRead]:
    """The requests for ranges (offset, length); each range is in one of them."""
    reads: list[MergedRead] = []
    inside: list[int] = []
    start = end = wanted_bytes = 0
    for place in sorted(range(len(ranges)), key=ranges.__getitem__):
        offset, length = ranges[place]
        if inside and offset > end + max(GAP_BYTES, min(GAP_MAX_BYTES, wanted_bytes)):
            reads.append(MergedRead(start, end - start, tuple(inside)))
            inside = []
        if not inside:
            start, end, wanted_bytes = offset, offset, 0
        inside.append(place)
        wanted_bytes += length
        end = max(end, offset + length)
    if inside:
        reads.append(MergedRead(start, end - start, tuple(inside)))
    return reads


def cut(reads: Sequence[MergedRead], parts: Sequence[bytes], ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """The wanted ranges, in their order, out of what the requests brought."""
    found = [b""] * len(ranges)
    for read, part in zip(reads, parts, strict=True):
        for place in read.wanted:
            offset, length = ranges[place]
            at = offset - read.offset
            found[place] = part[at : at + length]
    return found
