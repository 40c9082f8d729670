"""What travels from a source to the sinks, and how the source learns that it has arrived.

A chunk is a run of whole lines of one stream. Each sink takes its chunks in order and settles their receipts in
order; when the last sink has settled one, the source's position behind it may be kept. A chunk without bytes only moves
the position, and moves it at its place in the order.
Start at `Chunk`; `FanOut` hands a chunk to every sink.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Label names and values, sorted by name, each name once."""


class Receipt:
    """Counts the sinks that are still to deliver a chunk; calls `on_settled` when none is left."""

    def __init__(self, on_settled: Callable[[], None]) -> None:
        self._waiting = 0
        self._on_settled = on_settled

    def expect(self, sinks: int) -> None:
        """Say how many sinks will settle. Called once, before the first of them can."""
        self._waiting = sinks

    def settle(self) -> None:
        """One sink has delivered the chunk, or given it up for good."""
        self._waiting -= 1
        if self._waiting == 0:
            self._on_settled()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines of one stream, as they were read."""

    labels: Labels
    """The stream, before a client's external labels."""
    data: bytes
    """Lines, each with its newline; the last may lack it when `is_final`."""
    lines: int
    """How many lines `data` has."""
    ts_ns: int
    """Time of the first line; each further line is one nanosecond later, so that equal lines stay two entries."""
    is_final: bool
    """The last line is complete although no newline ends it."""
    receipt: Receipt


Emit: TypeAlias = Callable[[Chunk], Awaitable[None]]
"""Hands a chunk on; waits while a sink is full."""


class Sink(Protocol):
    """A destination with its own queue."""

    async def put(self, chunk: Chunk) -> None:
        """Queue a chunk; waits while the queue is full."""
        ...

    async def run(self) -> None:
        """Deliver until closed and empty."""
        ...

    async def close(self) -> None:
        """No more chunks will come: `run` delivers what it has and returns."""
        ...


class FanOut:
    """Gives each chunk to every sink."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)

    async def emit(self, chunk: Chunk) -> None:
        """Queue the chunk at every sink. A full sink makes the source wait; the others still work on their queues."""
        chunk.receipt.expect(len(self._sinks))
        for sink in self._sinks:
            await sink.put(chunk)
