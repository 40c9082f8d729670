"""Where an export comes from: a server, or a store that is read without one; and how it is read, page by page.

Entries come oldest first, a day's window after the other, because servers bound how long a query may look. A page that
is too large for its source is asked for in smaller ones; one that holds nothing but a single moment in larger ones.
Start at `export_pages`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Protocol

import msgspec

from lodur.cli.answers import LogStream, QueryAnswer, Streams, decode
from lodur.cli.client import LokiClient
from lodur.cli.connection import Connection
from lodur.cli.paging import Direction, Entry, PageRequest, merge_streams, without
from lodur.cli.query_errors import pointing_at_syntax, read_query
from lodur.cli.range_query import QUERY_RANGE_PATH, allowed_entries
from lodur.cli.store_options import StorePlace, spool_directory
from lodur.model.errors import InvalidRequest, LimitExceeded, Unavailable
from lodur.model.time_span import TimeSpan

if TYPE_CHECKING:
    from lodur.app.stored_logs import StoredLogs

WINDOW_NS = 24 * 3600 * 10**9
"""Servers commonly let a query look over a month at most, and a day is what segments are kept by."""

BATCH_MAX = 1_000_000
"""Entries that share a moment, and are held at once, at most."""

RETRIES = 8
"""Of each page but the first: about a minute, in which a server has begun anew."""

CATEGORIZE = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}

ANOTHER_TENANT = "fake"
"""The tenant of a store whose server asks for none."""


class ExportSource(Protocol):
    """Gives the oldest entries of a span."""

    def fetch(self, page: PageRequest) -> list[LogStream]: ...


class ServerSource:
    """A server."""

    def __init__(self, client: LokiClient, text: str) -> None:
        self._client = client
        self._text = text
        self._reached = False

    def fetch(self, page: PageRequest) -> list[LogStream]:
        params = [
            ("query", self._text),
            ("start", str(page.start_ns)),
            ("end", str(page.end_ns)),
            ("limit", str(page.limit)),
            ("direction", Direction.FORWARD.value),
        ]
        with pointing_at_syntax(self._text, read=read_query):
            # A server that has answered once is waited for: much may be written already.
            body = self._client.get(QUERY_RANGE_PATH, params, CATEGORIZE, retries=RETRIES if self._reached else 0)
        self._reached = True
        data = decode(body, QueryAnswer, url=self._client.url).data
        if not isinstance(data, Streams):
            raise Unavailable(f"{self._client.url} answered a log query with a {type(data).__name__.lower()}")
        return data.result


class StoreSource:
    """A store that is read without a server."""

    def __init__(self, logs: StoredLogs, text: str) -> None:
        self._logs = logs
        self._text = text
        self._decoder = msgspec.json.Decoder(list[LogStream], strict=False)

    @property
    def is_whole(self) -> bool:
        """Whether lines that no segment has are there too."""
        return self._logs.is_whole

    def fetch(self, page: PageRequest) -> list[LogStream]:
        return self._decoder.decode(
            self._logs.page(self._text, start_ns=page.start_ns, end_ns=page.end_ns, limit=page.limit)
        )


@contextmanager
def opened_source(text: str, connection: Connection, place: StorePlace) -> Iterator[ServerSource | StoreSource]:
    """The store that is named, else the server."""
    if not place.is_named:
        with closing(LokiClient(connection)) as client:
            yield ServerSource(client, text)
        return
    # Imported here: reading a store takes most of the server.
    from lodur.app.stored_logs import opened_logs
    from lodur.model.tenant import TenantId

    config = place.config()
    tenant = TenantId(connection.org_id or ANOTHER_TENANT)
    with spool_directory() as spool, opened_logs(config, place.storage(config), tenant, spool) as logs:
        yield StoreSource(logs, text)


def export_pages(source: ExportSource, span: TimeSpan, batch: int) -> Iterator[list[Entry]]:
    """All entries of a span, oldest first, some at a time. Raises as the source."""
    asking = _Asking(source, batch)
    for start_ns in range(span.start_ns, span.end_ns, WINDOW_NS):
        yield from _window(asking, start_ns, min(start_ns + WINDOW_NS, span.end_ns))


class _Asking:
    """A source and how many entries it is asked for at once."""

    def __init__(self, source: ExportSource, batch: int) -> None:
        self._source = source
        self.batch = batch
        self._most = BATCH_MAX

    def fetch(self, start_ns: int, end_ns: int) -> list[LogStream]:
        while True:
            try:
                return self._source.fetch(PageRequest(start_ns, end_ns, self.batch))
            except InvalidRequest as error:
                allowed = allowed_entries(error)
                if not 0 < allowed < self.batch:
                    raise
                self.batch = self._most = allowed
            except LimitExceeded as error:
                if error.retryable or self.batch == 1:
                    raise
                self.batch = self._most = max(1, self.batch // 2)

    def ask_for_more(self, ts_ns: int) -> None:
        """All entries of a page were known: more of them share a moment than it holds."""
        if self.batch >= self._most:
            raise InvalidRequest(
                f"more than {self.batch} entries have the timestamp {ts_ns}, and no more are given at once;"
                " raise limits_config.max_entries_limit_per_query, or read the store itself with --config-file"
            )
        self.batch = min(self.batch * 2, self._most)


def _window(asking: _Asking, start_ns: int, end_ns: int) -> Iterator[list[Entry]]:
    shown: Counter[Entry] = Counter()
    while True:
        entries = merge_streams(asking.fetch(start_ns, end_ns), Direction.FORWARD)
        new = without(entries, shown)
        if new:
            yield new
        if len(entries) < asking.batch:
            return
        if not new:
            asking.ask_for_more(entries[-1].ts_ns)
            continue
        seam_ns = entries[-1].ts_ns
        shown = Counter(entry for entry in entries if entry.ts_ns == seam_ns)
        start_ns = seam_ns
