"""A sink's queue: bounded by bytes, closed once."""

from __future__ import annotations

import asyncio
from collections import deque

from lodur.agent.delivery import Chunk

CHUNK_COST_BYTES = 512
"""What a chunk costs beside its lines, so that many small chunks are bounded too."""


class ChunkQueue:
    """Chunks in order, for one taker. A chunk larger than the queue goes in when the queue is empty."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._chunks: deque[Chunk] = deque()
        self._closed = False
        self._changed = asyncio.Condition()

    async def put(self, chunk: Chunk) -> None:
        """Add a chunk; waits for room."""
        cost = len(chunk.data) + CHUNK_COST_BYTES
        async with self._changed:
            await self._changed.wait_for(lambda: not self._bytes or self._bytes + cost <= self._bytes_max)
            self._bytes += cost
            self._chunks.append(chunk)
            self._changed.notify_all()

    async def get(self, timeout_s: float | None) -> Chunk | None:
        """Take the oldest chunk; None when `timeout_s` passes, or the queue is closed and empty."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self._chunks or self._closed)
                if not self._chunks:
                    return None
                chunk = self._chunks.popleft()
                self._bytes -= len(chunk.data) + CHUNK_COST_BYTES
                self._changed.notify_all()
                return chunk
        except TimeoutError:
            return None

    async def close(self) -> None:
        """No more chunks will be put."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    def is_drained(self) -> bool:
        """Closed and empty."""
        return self._closed and not self._chunks
