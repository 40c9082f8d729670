"""Run a range query against a server: page by page for log lines, at once for a metric, and print what comes.

Parsing of options is left to `query`, the order and the seams of pages to `paging`. Start at `RangeQueryRun.print`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lodur.cli.answers import LogStream, QueryAnswer, QueryData, Streams, decode
from lodur.cli.client import Params
from lodur.cli.log_output import LogFormat, LogPrinter
from lodur.cli.metric_output import format_metric
from lodur.cli.paging import Direction, PageRequest, first_page, read_pages
from lodur.cli.query_errors import pointing_at_syntax, read_query
from lodur.cli.stats_output import Statistics, add_statistics, read_statistics
from lodur.cli.terminal import write_err, write_out
from lodur.model.errors import InvalidRequest, Unavailable
from lodur.model.time_span import TimeSpan

QUERY_RANGE_PATH = "/loki/api/v1/query_range"

_TOO_MANY_ENTRIES = re.compile(r"limit > max_entries_limit_per_query \(\d+ > (\d+)\)")
"""What a server says to a page that is larger than its tenant may ask for."""


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """What is asked, apart from where."""

    text: str
    span: TimeSpan
    direction: Direction
    limit: int
    """Entries to print, 0 for all."""
    batch: int
    """Entries to ask for in one request."""
    step: str | None
    interval: str | None

    def params(self, page: PageRequest) -> Params:
        """The parameters of one request."""
        optional = (("step", self.step), ("interval", self.interval))
        return [
            ("query", self.text),
            ("start", str(page.start_ns)),
            ("end", str(page.end_ns)),
            ("limit", str(page.limit)),
            ("direction", self.direction.value),
            *((name, value) for name, value in optional if value is not None),
        ]


class Asks(Protocol):
    """Whoever answers queries."""

    @property
    def url(self) -> str:
        """Its name, for messages."""

    def get(self, path: str, params: Params = ...) -> bytes:
        """The body of the answer to a request. Raises LodurError."""


class RangeQueryRun:
    """One run of a query; `statistics` holds the sum over its requests, `is_metric` says what the answer was."""

    def __init__(
        self, client: Asks, query: RangeQuery, layout: LogFormat, out: Callable[[str], None] = write_out
    ) -> None:
        self._client = client
        self._query = query
        self._layout = layout
        self._out = out
        self.statistics: Statistics = {}
        self.is_metric = False

    def print(self) -> None:
        """Ask, and print each page as it comes."""
        query, layout = self._query, self._layout
        batch, first = self._first_page()
        if not isinstance(first, Streams):
            self.is_metric = True
            self._out(format_metric(first, layout.mode, layout.zone, coloured=layout.coloured))
            return
        printer = LogPrinter(layout, out=self._out, err=write_err)
        for page in read_pages(
            first.result,
            self._log_page,
            start_ns=query.span.start_ns,
            end_ns=query.span.end_ns,
            direction=query.direction,
            limit=query.limit,
            batch=batch,
        ):
            printer.print_page(page)
        printer.close()

    def _first_page(self) -> tuple[int, QueryData]:
        """The first answer, and how many entries to ask for at once: no more than the server lets."""
        query = self._query
        try:
            return query.batch, self._ask(first_page(query.span.start_ns, query.span.end_ns, query.limit, query.batch))
        except InvalidRequest as error:
            batch = allowed_entries(error)
            if not 0 < batch < query.batch:
                raise
        return batch, self._ask(first_page(query.span.start_ns, query.span.end_ns, query.limit, batch))

    def _log_page(self, page: PageRequest) -> list[LogStream]:
        data = self._ask(page)
        if not isinstance(data, Streams):
            raise Unavailable(f"{self._client.url} answered a log query with a {type(data).__name__.lower()}")
        return data.result

    def _ask(self, page: PageRequest) -> QueryData:
        with pointing_at_syntax(self._query.text, read=read_query):
            body = self._client.get(QUERY_RANGE_PATH, self._query.params(page))
        answer = decode(body, QueryAnswer, url=self._client.url)
        if not self._layout.quiet:
            write_err("".join(f"warning: {warning}\n" for warning in answer.warnings))
        self.statistics = add_statistics(self.statistics, read_statistics(answer.data.stats))
        return answer.data


def allowed_entries(error: InvalidRequest) -> int:
    """How many entries a server gives at once that has refused more; 0 where it has refused something else."""
    found = _TOO_MANY_ENTRIES.search(str(error))
    return int(found[1]) if found else 0
