"""Answer in time what waits for an object store, which may hang for longer than clients wait.

The work goes on where it was begun; who asks is told what is not known. Start at `Timely.answer`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog

from lodur.model.errors import DeadlineExceeded, LodurError, Unavailable
from lodur.store.deletes.commit_watch import CommitWatch, Progress

ANSWER_WITHIN_S = 25.0
"""Grafana and most proxies and libraries wait for 30 s at least."""

CALLS_AT_ONCE = 8
"""Threads of their own: calls that hang must not hold up anybody else. What comes beyond waits, and is called off."""

RETRY_AFTER_S = 5.0

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Timely:
    """Belongs to the event loop."""

    def __init__(self, within_s: float = ANSWER_WITHIN_S) -> None:
        self._within_s = within_s
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE, "store-call")

    async def answer(
        self,
        work: Callable[[CommitWatch], T],
        *,
        what: str,
        hint: str = "",
        done: Callable[[], T] | None = None,
    ) -> T:
        """What `work` gives on a thread; what it commits it tells the watch.

        `what` is being done, and `hint` says how to see whether a commit was stored of which that is not known. `done`
        gives the answer where all but what follows the commit is done in time. Raises as `work`, DeadlineExceeded where
        a commit may be stored yet, and Unavailable where nothing was changed.
        """
        watch = CommitWatch()
        call = asyncio.get_running_loop().run_in_executor(self._threads, self._begun, work, watch)
        try:
            await asyncio.wait((call,), timeout=self._within_s)
        except asyncio.CancelledError:
            watch.call_off()
            call.add_done_callback(partial(_ended_late, what))
            raise
        if call.done():
            return self._result(call, watch, hint)
        progress = watch.call_off()
        call.add_done_callback(partial(_ended_late, what))
        if progress is Progress.DONE and done is not None:
            return done()
        late = f"{what} has taken longer than {self._within_s:g} s"
        if progress is Progress.NOT_SENT:
            raise Unavailable(f"{late} and was given up: nothing was changed", retry_after_s=RETRY_AFTER_S)
        raise DeadlineExceeded(f"{late}, may be done, or be done yet: {hint}")

    @staticmethod
    def _begun(work: Callable[[CommitWatch], T], watch: CommitWatch) -> T:
        watch.check()
        return work(watch)

    @staticmethod
    def _result(call: asyncio.Future[T], watch: CommitWatch, hint: str) -> T:
        try:
            return call.result()
        except Unavailable as error:
            if watch.progress is not Progress.SENT:
                raise
            raise Unavailable(
                f"{error}; it may be done all the same: {hint}", retry_after_s=error.retry_after_s
            ) from error


def _ended_late(what: str, call: asyncio.Future[T]) -> None:
    """Nobody was there any more to be told."""
    error = None if call.cancelled() else call.exception()
    if error is None:
        _log.warning("a call ended after its client had been answered, or had left", call=what)
    elif not isinstance(error, DeadlineExceeded):
        level = _log.warning if isinstance(error, LodurError) else _log.error
        level("a call failed after its client had been answered, or had left", call=what, err=str(error))
