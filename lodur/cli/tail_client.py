"""Follow a query over WebSocket, across broken connections. Start at `Tailer.print_for_ever`.

After a break the tail begins anew at the last line's timestamp; what was printed of that timestamp is left out.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlencode

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from lodur.cli.answers import LogStream
from lodur.cli.client import Answer, refusal, request_headers
from lodur.cli.connection import Connection
from lodur.cli.log_output import LogFormat, LogPrinter
from lodur.cli.paging import Entry
from lodur.cli.push_delivery import RetryPolicy
from lodur.cli.terminal import write_err, write_out
from lodur.cli.tls import tls_context
from lodur.model.errors import InvalidRequest, LimitExceeded, Unavailable
from lodur.model.label_set import LabelSet

MESSAGE_BYTES_MAX = 2**28
"""More than any hundred lines; a server that sends more is not answering what was asked."""

AFTER_BREAK_LIMIT = 1000
"""Lines that a new connection begins with, at most, after one that broke."""

CONNECT_TIMEOUT_S = 30.0

DURATION_REASON = "reached tail max duration limit"
"""Said by servers that close every tail after a time: whoever wants more asks again."""

REFUSED_CODE = 1011


class TailFrame(msgspec.Struct, frozen=True):
    """A message of the server."""

    streams: list[LogStream] | None = None
    dropped_entries: list[msgspec.Raw] | None = None


@dataclass(frozen=True, slots=True)
class TailQuery:
    """What is followed, and how it begins."""

    text: str
    start_ns: int
    limit: int
    delay_s: int = 0


@dataclass(slots=True)
class _Place:
    """How far the tail has come: the newest timestamp, and what was printed of it."""

    ts_ns: int = 0
    shown: Counter[Entry] = field(default_factory=Counter)

    def advance(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.ts_ns > self.ts_ns:
                self.ts_ns, self.shown = entry.ts_ns, Counter()
            if entry.ts_ns == self.ts_ns:
                self.shown[entry] += 1


class Tailer:
    """One tail as long as the command runs."""

    def __init__(
        self,
        connection: Connection,
        query: TailQuery,
        layout: LogFormat,
        rng: random.Random,
        policy: RetryPolicy,
    ) -> None:
        self._connection = connection
        self._query = query
        self._printer = LogPrinter(layout, out=write_out, err=write_err)
        self._rng = rng
        self._policy = policy
        self._place = _Place()
        self._failures = 0
        self._was_connected = False

    def print_for_ever(self) -> None:
        """Print lines until the server refuses, or is gone for too long. Raises the errors of `LokiClient`."""
        decoder = msgspec.json.Decoder(TailFrame, strict=False)
        while True:
            try:
                with self._connected() as socket:
                    self._was_connected = True
                    repeated = Counter(self._place.shown)
                    while True:
                        self._print(decoder.decode(socket.recv()), repeated)
                        self._failures = 0
            except ConnectionClosed as error:
                received = error.rcvd
                self._after_break(received.reason if received else str(error), code=received.code if received else None)
            except InvalidStatus as error:
                response = error.response
                raise refusal(
                    self._connection, Answer(response.status_code, bytes(response.body or b""), None)
                ) from error
            except (OSError, InvalidHandshake) as error:
                if not self._was_connected:
                    url = self._connection.url
                    raise Unavailable(f"cannot reach {url}: {error}; is `lodur serve` running there?") from error
                self._after_break(str(error))
            except msgspec.DecodeError as error:
                raise Unavailable(f"{self._connection.url} sent something else than a tail: {error}") from error

    def _connected(self) -> ClientConnection:
        connection, query = self._connection, self._query
        begun = self._place.ts_ns > 0
        params = {
            "query": query.text,
            "start": self._place.ts_ns if begun else query.start_ns,
            "limit": AFTER_BREAK_LIMIT if begun else query.limit,
        }
        if query.delay_s:
            params["delay_for"] = query.delay_s
        url = connection.url.replace("http", "ws", 1)
        return connect(
            f"{url}/loki/api/v1/tail?{urlencode(params, errors='surrogateescape')}",
            additional_headers=request_headers(connection),
            ssl=tls_context(connection.client_tls) if connection.tls else None,
            user_agent_header=None,
            proxy=connection.transport.proxy.url if connection.transport.proxy else None,
            max_size=MESSAGE_BYTES_MAX,
            open_timeout=CONNECT_TIMEOUT_S,
        )

    def _print(self, frame: TailFrame, repeated: Counter[Entry]) -> None:
        entries = [
            Entry(value.ts_ns, LabelSet.of(stream.stream.items()), value.line)
            for stream in frame.streams or ()
            for value in stream.values
        ]
        fresh: list[Entry] = []
        for entry in entries:
            if repeated[entry] > 0:
                repeated[entry] -= 1
            else:
                fresh.append(entry)
        self._place.advance(fresh)
        if fresh:
            self._printer.print_page(fresh)
        if frame.dropped_entries:
            write_err("entries were left out here: they came faster than they were read\n")

    def _after_break(self, reason: str, *, code: int | None = None) -> None:
        if DURATION_REASON in reason:
            return
        if code == REFUSED_CODE:
            if "limit exceeded" in reason:
                raise LimitExceeded(reason, limit="max_concurrent_tail_requests")
            raise InvalidRequest(reason)
        if self._failures >= self._policy.attempts:
            raise Unavailable(f"{self._connection.url}: {reason}")
        wait_s = self._policy.wait_s(self._failures, None, self._rng)
        self._failures += 1
        write_err(f"connection lost ({reason}), trying again in {wait_s:.1f} s\n")
        time.sleep(wait_s)
