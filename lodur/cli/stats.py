"""`lodur stats`: how much a selector covers."""

from __future__ import annotations

from contextlib import closing
from datetime import tzinfo

import click

from lodur.cli.answers import StatsAnswer, decode
from lodur.cli.client import LokiClient
from lodur.cli.connection import Connection, connection_options
from lodur.cli.list_output import list_output_option, print_list
from lodur.cli.log_output import OutputMode
from lodur.cli.query_errors import pointing_at_syntax, read_selector
from lodur.cli.times import span_options
from lodur.model.time_span import TimeSpan

STATS_PATH = "/loki/api/v1/index/stats"


@click.command(name="stats")
@click.argument("selector")
@span_options
@list_output_option
@connection_options
def command(*, selector: str, connection: Connection, span: TimeSpan, zone: tzinfo, mode: OutputMode) -> None:
    """Tell how much a selector covers.

    Streams, chunks, bytes (in whole KiB a stream) and entries, from the index alone: what a query will have to read.

    \b
    Examples:
      lodur stats '{app="shop"}' --since 24h
    """
    params = [("query", selector), ("start", str(span.start_ns)), ("end", str(span.end_ns))]
    with closing(LokiClient(connection)) as client, pointing_at_syntax(selector, read=read_selector):
        answer = decode(client.get(STATS_PATH, params), StatsAnswer, url=client.url)
    told = {"bytes": answer.bytes, "chunks": answer.chunks, "streams": answer.streams, "entries": answer.entries}
    print_list([told], "".join(f"{name.ljust(7)}  {value:,}\n" for name, value in told.items()), mode)
