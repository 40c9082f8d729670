"""Print entries instead of sending them (`-dry-run`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

from lodur.agent.delivery import Chunk
from lodur.agent.label_text import print_labels
from lodur.agent.sinks.queue import ChunkQueue

_QUEUE_BYTES_MAX = 8 * 2**20
"""Little: a terminal is slow, and reading may wait for it."""


class DryRunSink:
    """Writes each line with its time and labels. Settles nothing, so that no position moves."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._queue = ChunkQueue(_QUEUE_BYTES_MAX)

    async def put(self, chunk: Chunk) -> None:
        """Queue a chunk; waits while the queue is full."""
        await self._queue.put(chunk)

    async def close(self) -> None:
        """No more chunks will come."""
        await self._queue.close()

    async def run(self) -> None:
        """Print until closed and empty."""
        while (chunk := await self._queue.get(None)) is not None:
            if chunk.data:
                self._out.write(_render(chunk))
                self._out.flush()


def _render(chunk: Chunk) -> str:
    seconds, nanoseconds = divmod(chunk.ts_ns, 1_000_000_000)
    time = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{nanoseconds:09d}Z"
    prefix = f"{time}\t{print_labels(chunk.labels)}\t"
    text = chunk.data.decode("utf-8", "replace").removesuffix("\n")
    return prefix + text.replace("\n", "\n" + prefix) + "\n"
