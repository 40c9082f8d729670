"""Deliver an import's batches, in order and exactly counted.

A request that the server refuses is cut in halves until the rows at fault are alone; what is sent twice on the way is
stored once. So every row is known to be kept or refused, by its place in its file. Start at `ImportDelivery.deliver`.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from lodur.cli.connection import Connection
from lodur.cli.import_rows import CONTENT_TYPE, BadRow, Batch, Row, push_body
from lodur.cli.push_delivery import CONCURRENCY, PushSender, RetryPolicy, Tally, judged
from lodur.model.errors import InvalidRequest, LodurError

REFUSED_MAX = 10_000
"""Rows that the server refuses one by one: each costs some requests, and so many are no accident."""

HINTS = (
    ("timestamp too old", "set limits_config.reject_old_samples: false on the server while old logs are imported"),
    ("entry too far behind", "set limits_config.unordered_writes: true on the server"),
)


@dataclass(frozen=True, slots=True)
class _Outcome:
    batch: Batch
    kept: int
    kept_bytes: int
    refused: tuple[BadRow, ...]


class ImportDelivery:
    """Sends batches over a few connections; `tally` counts what became of the rows."""

    def __init__(
        self,
        connection: Connection,
        *,
        retry: RetryPolicy,
        rng: random.Random,
        skip_bad: bool,
        on_bad: Callable[[str, BadRow], None],
        on_settled: Callable[[Batch, Tally], None],
    ) -> None:
        self._connection = connection
        self._sender = PushSender(connection, retry=retry, rng=rng)
        self._skip_bad = skip_bad
        self._on_bad = on_bad
        self._on_settled = on_settled
        self.tally = Tally()

    def deliver(self, batches: Iterable[Batch]) -> None:
        """Send all; `on_settled` is called for each batch when it and all before it are. Raises what ends it:
        InvalidRequest for a row that is bad, Unavailable where the server is gone, and as `judged`."""
        with closing(self._sender), ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="import") as pool:
            pending: deque[Future[_Outcome]] = deque()
            try:
                for batch in batches:
                    pending.append(pool.submit(self._send, batch))
                    if len(pending) > CONCURRENCY:
                        self._settle(pending.popleft().result())
                while pending:
                    self._settle(pending.popleft().result())
            finally:
                self._sender.stop()

    def _settle(self, outcome: _Outcome) -> None:
        batch, tally = outcome.batch, self.tally
        tally.lines += outcome.kept
        tally.raw_bytes += outcome.kept_bytes
        for bad in sorted((*batch.bad, *outcome.refused), key=lambda row: row.place):
            if not self._skip_bad:
                raise InvalidRequest(f"{batch.file}:{bad.place}: {bad.reason}; --skip-bad goes on without such rows")
            tally.refused_lines += 1
            self._on_bad(batch.file, bad)
        if tally.refused_lines > REFUSED_MAX and tally.lines == 0:
            raise InvalidRequest(f"{tally.refused_lines} rows were refused, and none was kept: nothing more is sent")
        self._on_settled(batch, tally)

    def _send(self, batch: Batch) -> _Outcome:
        refused: list[BadRow] = []
        kept = list(batch.rows)
        if self._skip_bad or not batch.bad:
            kept = self._kept(batch.rows, refused)
        else:
            # The rows before the bad one are sent; it is told then.
            kept = self._kept([row for row in batch.rows if row.place < batch.bad[0].place], refused)
        return _Outcome(batch, len(kept), sum(len(row.line) for row in kept), tuple(refused))

    def _kept(self, rows: Iterable[Row], refused: list[BadRow]) -> list[Row]:
        """Send rows and give those that were kept; the others are added to `refused`, at least the first of them."""
        kept: list[Row] = []
        pieces = deque([list(rows)])
        while pieces:
            piece = pieces.popleft()
            if not piece:
                continue
            error = self._refusal(piece)
            if error is None:
                kept += piece
            elif len(piece) > 1:
                middle = len(piece) // 2
                pieces.extendleft((piece[middle:], piece[:middle]))
            else:
                refused.append(BadRow(piece[0].place, _told(error)))
                if not self._skip_bad:
                    return kept
        return kept

    def _refusal(self, rows: list[Row]) -> LodurError | None:
        compress = self._connection.transport.compress
        body = push_body(rows, compress=compress)
        encoding = "gzip" if compress else ""
        return judged(self._connection, self._sender.send(body, content_type=CONTENT_TYPE, content_encoding=encoding))


def _told(error: LodurError) -> str:
    text = str(error)
    hint = next((hint for part, hint in HINTS if part in text), "")
    return f"{text} ({hint})" if hint else text
