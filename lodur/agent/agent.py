"""One running agent: sources, sinks and positions, started together and stopped in order.

Start at `Agent.run`. At the end reading stops first, then the sinks deliver what was read, then positions are saved;
what could not be delivered in time keeps its old position and is read again by the next run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from lodur.agent.delivery import FanOut, Sink
from lodur.agent.position_keeper import PositionKeeper
from lodur.agent.sources.file.source import FileSource, FollowedFile

FLUSH_TIMEOUT_S = 8.0
"""How long the sinks may go on after reading has stopped: less than the ten seconds that `docker stop` waits."""

_log = structlog.get_logger(__name__)


class Agent:
    """Runs sources into sinks."""

    def __init__(self, sources: Sequence[FileSource], sinks: Sequence[Sink], keeper: PositionKeeper | None) -> None:
        self._sources = tuple(sources)
        self._sinks = tuple(sinks)
        self._keeper = keeper

    def files(self) -> list[FollowedFile]:
        """All files that are followed now."""
        return [file for source in self._sources for file in source.files()]

    async def run(self, stop: asyncio.Event, *, flush_timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        """Run until `stop` is set or a part fails; then shut down in order. Raises what a part failed with."""
        emit = FanOut(self._sinks).emit
        sources = [asyncio.create_task(source.run(emit)) for source in self._sources]
        sinks = [asyncio.create_task(sink.run()) for sink in self._sinks]
        keeper = [asyncio.create_task(self._keeper.run())] if self._keeper is not None else []
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([stopped, *sources, *sinks, *keeper], return_when=asyncio.FIRST_COMPLETED)
        await _cancel([stopped, *sources])
        for sink in self._sinks:
            await sink.close()
        _, late = await asyncio.wait(sinks, timeout=flush_timeout_s)
        if late:
            _log.warning("not everything read was delivered in time, it is read again at the next start")
        await _cancel([*late, *keeper])
        if self._keeper is not None:
            await self._keeper.save()
        for task in done - {stopped}:
            task.result()


async def _cancel(tasks: Sequence[asyncio.Task[object]] | Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
