"""What the engine asks of a store: which rows a query must read, and the bytes of those that lie elsewhere.

The store satisfies these protocols without importing this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from lodur.kernels.head import HeadView
from lodur.kernels.segment import Segment
from lodur.model.errors import CorruptData
from lodur.model.tenant import TenantId


class RemoteSegment(Protocol):
    """A segment in a remote object store: its directory is in memory, its pages are fetched when a scan wants them."""

    @property
    def segment(self) -> Segment:
        """The directory, without any page."""

    async def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, bytes]]:
        """The bytes at each (offset, length), as (offset, bytes), in the same order.

        Raises Unavailable; NotFound where the segment was replaced by others, which the store has when asked anew.
        """

    def discard(self) -> None:
        """Fetch everything anew from now on: what was read is damaged, perhaps since it left the store. Blocks."""


Source: TypeAlias = HeadView | Segment | RemoteSegment
"""Rows that can be scanned: of a head, of a local segment file, or of a remote one."""


class ReadableStore(Protocol):
    """Where the engine reads from."""

    async def sources(self, tenant: TenantId, start_ns: int, end_ns: int) -> Sequence[Source]:
        """All that may hold rows with `start_ns <= timestamp < end_ns`, oldest first; each row in one source only.

        What is returned stays readable as long as it is held, whatever is flushed or compacted meanwhile. A tenant
        without data has no sources.
        """


class DamageReports(Protocol):
    """Where the engine says what it found damaged, and asks what its answers lack."""

    def set_damaged_aside(self, tenant: TenantId, error: CorruptData) -> bool:
        """Leave the source out from now on; whether there was one that the error is about."""

    def left_out(self, tenant: TenantId, start_ns: int, end_ns: int) -> Sequence[str]:
        """What would have been among the sources of a span but cannot be read, in words."""


class NoDamage:
    """Of a store whose sources are all in memory."""

    def set_damaged_aside(self, tenant: TenantId, error: CorruptData) -> bool:
        return False

    def left_out(self, tenant: TenantId, start_ns: int, end_ns: int) -> Sequence[str]:
        return ()


def segment_of(source: Source) -> Segment | None:
    """The directory of a local or remote segment; None for a head."""
    if isinstance(source, HeadView):
        return None
    return source if isinstance(source, Segment) else source.segment


def directory_of(source: Source) -> HeadView | Segment:
    """What can be asked about streams and sizes without reading a page."""
    return source if isinstance(source, HeadView | Segment) else source.segment
