"""Deliver batches to a server: a few at a time, again where that can help, and count what became of them.

A batch whose answer got lost is sent again with the same timestamps, so the server sees equal entries and keeps one.
Start at `Delivery.deliver`.
"""

from __future__ import annotations

import queue
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field

from lodur.cli.client import Answer, LokiClient, refusal
from lodur.cli.connection import Connection
from lodur.cli.push_source import Batch
from lodur.model.errors import LodurError, NotFound, Unauthenticated, Unavailable

PUSH_PATH = "/loki/api/v1/push"
CONTENT_TYPE = "application/x-protobuf"

CONCURRENCY = 2
"""Requests at once: one is on its way while the server makes the other durable."""

ACCEPTED_STATUS_MAX = 205
"""Higher 2xx are used to refuse: an operator may block a tenant with 260."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to try while the server says not now, or nothing."""

    attempts: int = 10
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0

    def wait_s(self, attempt: int, asked_s: float | None, rng: random.Random) -> float:
        """The wait after an attempt (from 0): doubled each time, somewhat random, and no shorter than was asked."""
        backoff_s = min(self.first_wait_s * 2.0**attempt, self.longest_wait_s) * rng.uniform(0.5, 1.0)
        return max(backoff_s, min(asked_s or 0.0, self.longest_wait_s))


@dataclass(slots=True)
class Tally:
    """What became of the lines."""

    lines: int = 0
    raw_bytes: int = 0
    refused_lines: int = 0
    """Lines of requests that were refused; the server may have taken some of them."""
    reasons: Counter[str] = field(default_factory=Counter)
    """What the server said, with how often it said so."""


class PushSender:
    """Sends push requests over a few connections, from any thread, each until the server has judged it."""

    def __init__(self, connection: Connection, *, retry: RetryPolicy, rng: random.Random) -> None:
        self._connection = connection
        self._retry = retry
        self._rng = rng
        self._all = [LokiClient(connection) for _ in range(CONCURRENCY)]
        self._idle: queue.SimpleQueue[LokiClient] = queue.SimpleQueue()
        for client in self._all:
            self._idle.put(client)
        self._stopped = threading.Event()
        self._reached = threading.Event()

    def stop(self) -> None:
        """Try nothing again."""
        self._stopped.set()

    def close(self) -> None:
        for client in self._all:
            client.close()

    def send(self, body: bytes, *, content_type: str, content_encoding: str = "") -> Answer:
        """The answer, which is none that asks to come again. Raises Unavailable where patience ends."""
        client = self._idle.get()
        try:
            return self._send(client, body, content_type, content_encoding)
        finally:
            self._idle.put(client)

    def _send(self, client: LokiClient, body: bytes, content_type: str, content_encoding: str) -> Answer:
        last: LodurError = Unavailable("stopped before it was sent")
        for attempt in range(self._retry.attempts):
            if self._stopped.is_set():
                break
            asked_s = None
            try:
                answer = client.post(PUSH_PATH, body, content_type=content_type, content_encoding=content_encoding)
            except Unavailable as error:
                if not self._reached.is_set():
                    raise
                last = error
            else:
                self._reached.set()
                if not _is_for_later(answer):
                    return answer
                last, asked_s = refusal(self._connection, answer), answer.retry_after_s
            self._stopped.wait(self._retry.wait_s(attempt, asked_s, self._rng))
        raise Unavailable(f"gave up after {self._retry.attempts} attempts: {last}") from last


def judged(connection: Connection, answer: Answer) -> LodurError | None:
    """Why a push was refused; None where it was not. Raises what makes going on pointless."""
    if 200 <= answer.status <= ACCEPTED_STATUS_MAX:
        return None
    error = refusal(connection, answer)
    if isinstance(error, Unauthenticated | NotFound):
        raise error
    return error


@dataclass(frozen=True, slots=True)
class _Outcome:
    batch: Batch
    refused: LodurError | None


class Delivery:
    """Sends batches through a small pool of threads and connections."""

    def __init__(
        self,
        connection: Connection,
        *,
        retry: RetryPolicy,
        rng: random.Random,
        on_delivered: Callable[[Tally], None],
    ) -> None:
        self._connection = connection
        self._sender = PushSender(connection, retry=retry, rng=rng)
        self._on_delivered = on_delivered
        self.tally = Tally()

    def deliver(self, batches: Iterable[Batch]) -> None:
        """Send all; raises what makes going on pointless: no server, no such tenant, patience at its end."""
        sender = self._sender
        with closing(sender), ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="push") as pool:
            pending: set[Future[_Outcome]] = set()
            try:
                for batch in batches:
                    pending.add(pool.submit(self._send, batch))
                    if len(pending) > CONCURRENCY:
                        done, pending = wait(pending, return_when=FIRST_COMPLETED)
                        self._count(done)
                self._count(pending)
            finally:
                sender.stop()

    def _count(self, done: Iterable[Future[_Outcome]]) -> None:
        for future in done:
            outcome = future.result()
            if outcome.refused is None:
                self.tally.lines += outcome.batch.lines
                self.tally.raw_bytes += outcome.batch.raw_bytes
            else:
                self.tally.refused_lines += outcome.batch.lines
                self.tally.reasons[str(outcome.refused)] += 1
            self._on_delivered(self.tally)

    def _send(self, batch: Batch) -> _Outcome:
        answer = self._sender.send(batch.body, content_type=CONTENT_TYPE)
        return _Outcome(batch, judged(self._connection, answer))


def _is_for_later(answer: Answer) -> bool:
    return answer.status == 429 or answer.status >= 500
