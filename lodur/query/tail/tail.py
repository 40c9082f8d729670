"""One tail: which of the fresh rows are for it, and what waits to be sent to its client.

`pass_on` runs on a thread beside the event loop, `next_frame` on the loop; between them lies a short queue. A client
that reads too slowly finds it full: what comes then is dropped, and named in its next frame.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from lodur.kernels.head import HeadView
from lodur.kernels.scan import Cancel, LogResult, Scan
from lodur.kernels.scan_plan import Logs, encode
from lodur.kernels.tail import TailForm, tail_frames
from lodur.model.durations import NS_PER_S
from lodur.model.limits import MIB
from lodur.model.time_span import TimeSpan
from lodur.query.plan.lowering import log_scan_plan
from lodur.query.plan.nodes import LogScan
from lodur.query.tail.requests import EntryForm, Frame, TailEnd

FRAME_ENTRIES_MAX = 100
"""In one message, as clients know it."""

FRAMES_MAX = 10
"""Full messages that wait for a slow client; what is newer is dropped."""

WAITING_BYTES_MAX = 4 * MIB
"""The same in bytes, for long lines: some hundred slow clients together do not fill the memory."""

ENTRIES_AT_ONCE_MAX = FRAME_ENTRIES_MAX * FRAMES_MAX
"""Entries of one look at the fresh rows: what the queue holds."""

DROPPED_NAMED_MAX = 100
"""Dropped entries that are named in one message; that there are some is what counts."""

RESULT_MAX_BYTES = 64 * MIB
"""What one scan for one tail may hold."""

FORMS = {
    EntryForm.PLAIN: TailForm.PLAIN,
    EntryForm.CATEGORIZED: TailForm.CATEGORIZED,
    EntryForm.LEGACY: TailForm.LEGACY,
}
"""What the kernel calls them."""

EVER = TimeSpan(-(1 << 62), 1 << 62)


@dataclass(slots=True)
class _Held:
    """Rows that a tail with a delay has not passed on as a whole."""

    view: HeadView
    arrived_s: float
    is_new: bool = True


@dataclass(slots=True)
class _Ripe:
    """What is to be passed on: views, each with the span of its rows that are due."""

    spans: dict[TimeSpan, list[HeadView]] = field(default_factory=dict)

    def add(self, view: HeadView, start_ns: int, end_ns: int) -> None:
        if start_ns < end_ns:
            self.spans.setdefault(TimeSpan(start_ns, end_ns), []).append(view)


class Tail:
    """One client's tail."""

    def __init__(self, plan: LogScan, *, form: EntryForm, delay_ns: int, first_batch: int) -> None:
        """Raises InvalidRequest for patterns that do not compile."""
        self.first_batch = first_batch
        """Rows of earlier batches are history to this tail."""
        self.dropped_entries = 0
        self._plan = plan
        self._form = form
        self._delay_ns = delay_ns
        self._scan = self._compiled(EVER)
        self._held: list[_Held] = []
        self._horizon_ns = EVER.start_ns
        self._lock = threading.Lock()
        self._frames: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped: list[bytes] = []
        self._end: asyncio.Future[TailEnd] = asyncio.get_running_loop().create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._something = asyncio.Event()

    def holds_rows(self) -> bool:
        """Whether there is something to pass on without anything new."""
        return bool(self._held)

    def pass_on(self, batches: Sequence[HeadView], *, now_ns: int, now_s: float) -> None:
        """Queue what the client is to see. Blocks; raises what scans raise."""
        if self._delay_ns == 0:
            if batches:
                self._queue_rows({EVER: list(batches)})
            return
        self._held += [_Held(view, now_s) for view in batches]
        self._queue_rows(self._ripe(now_ns, now_s).spans)

    def lose(self, rows: int, *, now_ns: int) -> None:
        """Tell the client of rows that nobody could look at."""
        with self._lock:
            self.dropped_entries += rows
            labels = b'"{}"' if self._form is EntryForm.LEGACY else b"{}"
            self._dropped.append(b'{"timestamp":"%d","labels":%b}' % (now_ns, labels))

    def notify(self) -> None:
        """Wake `next_frame`; on the event loop."""
        with self._lock:
            if self._frames or self._dropped:
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

    async def next_frame(self) -> Frame:
        """The next message to the client, as soon as there is one."""
        while True:
            await self._something.wait()
            with self._lock:
                if self._frames or self._dropped:
                    streams = self._frames.popleft() if self._frames else b"[]"
                    self._waiting_bytes -= len(streams) if streams != b"[]" else 0
                    dropped, self._dropped = tuple(self._dropped), []
                    return Frame(streams, dropped)
                self._something.clear()

    def _ripe(self, now_ns: int, now_s: float) -> _Ripe:
        """Rows whose time lies far enough back, and those that came long enough ago."""
        horizon_ns = max(self._horizon_ns, now_ns - self._delay_ns)
        ripe = _Ripe()
        held: list[_Held] = []
        for one in self._held:
            is_due = (now_s - one.arrived_s) * NS_PER_S >= self._delay_ns
            start_ns = EVER.start_ns if one.is_new else self._horizon_ns
            ripe.add(one.view, start_ns, EVER.end_ns if is_due else horizon_ns)
            one.is_new = False
            if not is_due:
                held.append(one)
        self._held, self._horizon_ns = held, horizon_ns
        return ripe

    def _queue_rows(self, due: dict[TimeSpan, list[HeadView]]) -> None:
        with self._lock:
            is_full = len(self._frames) >= FRAMES_MAX or self._waiting_bytes >= WAITING_BYTES_MAX
            free = 0 if is_full else (FRAMES_MAX - len(self._frames)) * FRAME_ENTRIES_MAX
            named = DROPPED_NAMED_MAX - len(self._dropped)
        if free + named <= 0:
            # Its client knows already that entries are missing; looking at more would only cost.
            return
        results = [self._entries(span, views) for span, views in due.items()]
        found = sum(result.entries for result in results)
        if not found:
            return
        frames, dropped = tail_frames(
            results,
            form=FORMS[self._form],
            per_frame=FRAME_ENTRIES_MAX,
            entries_max=free,
            dropped_max=max(named, 0),
        )
        with self._lock:
            self._frames.extend(frames)
            self._waiting_bytes += sum(map(len, frames))
            self._dropped += dropped
            self.dropped_entries += max(0, found - free)

    def _entries(self, span: TimeSpan, views: list[HeadView]) -> LogResult:
        scan = self._scan if span == EVER else self._compiled(span)
        return scan.run_logs(list(views), cancel=Cancel(), threads=1, bytes_max=RESULT_MAX_BYTES)

    def _compiled(self, span: TimeSpan) -> Scan:
        limit = ENTRIES_AT_ONCE_MAX + DROPPED_NAMED_MAX
        return Scan.compile(encode(log_scan_plan(self._plan, Logs(span.start_ns, span.end_ns, limit, backward=False))))
