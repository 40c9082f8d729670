"""Save positions on a timer and at the end."""

from __future__ import annotations

import asyncio

import structlog

from lodur.agent.positions import Positions

_log = structlog.get_logger(__name__)


class PositionKeeper:
    """Writes what has moved every `sync_period_s`."""

    def __init__(self, positions: Positions, *, sync_period_s: float) -> None:
        self._positions = positions
        self._sync_period_s = sync_period_s

    async def run(self) -> None:
        """Save until cancelled."""
        while True:
            await asyncio.sleep(self._sync_period_s)
            await self.save()

    async def save(self) -> bool:
        """Write the file now if something moved; False when it could not be written, which is tried again."""
        if not self._positions.needs_save():
            return True
        text = self._positions.render()
        try:
            await asyncio.to_thread(self._positions.write, text)
        except OSError as error:
            self._positions.mark_unsaved()
            _log.error("error writing positions file", error=str(error))
            return False
        return True
