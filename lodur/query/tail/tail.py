"""One client's tail: what waits to be sent to it, and what it missed.

`offer` runs on a thread beside the event loop, `next_message` on the loop; between them lies a queue. A client that
reads too slowly finds it full: what comes then is left out, and told as soon as it reads again.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from lodur.model.limits import MIB
from lodur.query.tail.messages import FoundRows, dropped_message, unnamed_entry
from lodur.query.tail.requests import TailEnd, TailForm

MESSAGES_MAX = 20
"""Full messages that wait for a slow client; what is newer is dropped."""

WAITING_BYTES_MAX = 4 * MIB
"""The same in bytes: seconds of a busy stream; some hundred slow clients together do not fill the memory."""

DROPPED_NAMED_MAX = 1000
"""Dropped entries that are named in one message; of more, it says how many there are."""


class Tail:
    """The queue of one client."""

    def __init__(self, *, form: TailForm, first_batch: int) -> None:
        self.first_batch = first_batch
        """Rows of earlier batches are history to this tail."""
        self.form = form
        self.dropped_entries = 0
        self._lock = threading.Lock()
        self._messages: deque[str] = deque()
        self._waiting_bytes = 0
        self._names: list[bytes] = []
        self._untold_entries = 0
        self._end: asyncio.Future[TailEnd] = asyncio.get_running_loop().create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._something = asyncio.Event()

    def offer(self, found: FoundRows) -> None:
        """Queue entries as far as there is room; the others are told. On one thread at a time."""
        taken = self._take(found)
        missed = found.entries - taken
        if not missed:
            return
        with self._lock:
            nameable = min(missed, DROPPED_NAMED_MAX - len(self._names))
        names = found.names(taken, nameable) if nameable > 0 else []
        self._leave_out(names, missed)

    def lose(self, rows: int, *, now_ns: int) -> None:
        """Tell the client of rows that nobody could look at."""
        self._leave_out([unnamed_entry(now_ns, self.form)], rows)

    def notify(self) -> None:
        """Wake `next_message`; on the event loop."""
        with self._lock:
            if self._messages or self._untold_entries:
                self._something.set()

    def finish_after(self, seconds: float, end: TailEnd) -> None:
        """`finish` later, unless the tail is `left` by then; on the event loop."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self.finish, end)

    def left(self) -> None:
        """Keep nothing that would outlive the client."""
        if self._timer is not None:
            self._timer.cancel()

    def finish(self, end: TailEnd) -> None:
        """Let `ended` return; on the event loop."""
        if not self._end.done():
            self._end.set_result(end)

    async def ended(self) -> TailEnd:
        """Wait for the end, and say why it is there."""
        return await asyncio.shield(self._end)

    async def next_message(self) -> str:
        """The next message to the client, as soon as there is one."""
        while True:
            await self._something.wait()
            with self._lock:
                if self._untold_entries:
                    told = dropped_message(self._names, self._untold_entries, self.form)
                    self._names, self._untold_entries = [], 0
                    return told
                if self._messages:
                    text = self._messages.popleft()
                    self._waiting_bytes -= len(text)
                    return text
                self._something.clear()

    def _take(self, found: FoundRows) -> int:
        """Queue the first entries, as many messages of them as there is room for; how many entries these are."""
        with self._lock:
            room = MESSAGES_MAX - len(self._messages) if self._waiting_bytes < WAITING_BYTES_MAX else 0
        messages = found.messages(room) if room > 0 else []
        taken = 0
        with self._lock:
            for message in messages:
                if self._waiting_bytes >= WAITING_BYTES_MAX:
                    break
                self._messages.append(message.text)
                self._waiting_bytes += len(message.text)
                taken += message.entries
        return taken

    def _leave_out(self, names: list[bytes], entries: int) -> None:
        with self._lock:
            self._names += names
            self._untold_entries += entries
            self.dropped_entries += entries
