"""`lodur query`: log lines, or a metric over a time span."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import click

from lodur.cli.client import LokiClient
from lodur.cli.connection import Connection, connection_options
from lodur.cli.log_output import LogFormat, OutputMode
from lodur.cli.output_options import log_format_options, stats_option
from lodur.cli.paging import Direction
from lodur.cli.part_options import part_options
from lodur.cli.parts import PartOptions, read_parts
from lodur.cli.range_query import RangeQuery, RangeQueryRun
from lodur.cli.stats_output import Statistics, add_statistics, format_statistics
from lodur.cli.tail_options import DELAY_MAX_S
from lodur.cli.terminal import write_err, write_out
from lodur.cli.times import span_options
from lodur.model.errors import InvalidRequest
from lodur.model.time_span import TimeSpan

ENTRIES_SHOWN = 30
"""Of a query that says nothing about it: a screen."""

STDIN_PAGE_ENTRIES = 1_000_000
"""Of standard input in one answer: each page reads all lines again."""


@click.command(name="query")
@click.argument("query")
@span_options
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help=f"Print so many entries; 0 prints all.  [default: {ENTRIES_SHOWN}; in parts, all]",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Ask for so many entries in one request. More entries than this must not share one timestamp.",
)
@click.option("--forward", is_flag=True, help="Print the oldest entries first, and those of the span's beginning.")
@click.option("--step", metavar="DURATION", help="Evaluate a metric this often, such as 30s.  [default: server's]")
@click.option("--interval", metavar="DURATION", help="Of log entries, skip those nearer than this to the one before.")
@part_options
@click.option("--stdin", is_flag=True, help="Ask no server: query the lines of standard input.")
@click.option("-t", "--tail", "-f", "--follow", "follows", is_flag=True, help="Go on with what comes, as `lodur tail`.")
@click.option(
    "--delay-for",
    "delay_s",
    type=click.IntRange(min=0, max=DELAY_MAX_S),
    default=0,
    show_default=True,
    help="With --tail: seconds that the server holds lines back, to put late ones in order.",
)
@log_format_options
@stats_option
@click.option("--explain", is_flag=True, help="Print the plan of the query and ask no server.")
@connection_options
def command(
    *,
    query: str,
    connection: Connection,
    span: TimeSpan,
    limit: int | None,
    batch: int,
    forward: bool,
    step: str | None,
    interval: str | None,
    parts: PartOptions,
    stdin: bool,
    follows: bool,
    delay_s: int,
    layout: LogFormat,
    stats: bool,
    explain: bool,
) -> None:
    """Ask for log lines, or for a metric over a time span.

    Lines are printed newest first. What their labels have in common is printed once, to standard error, and so are
    statistics and warnings: standard output holds nothing but the result. A long span can be read in parts, several at
    a time, each into a file of its own; what was interrupted goes on with the parts that are missing.

    \b
    Examples:
      lodur query '{app="shop"} |= "error"'
      lodur query '{app="shop"} | json | status >= 500' --since 24h --limit 200
      lodur query '{app="shop"}' --from 2026-01-31T08:00:00Z --to 2026-01-31T09:00:00Z --limit 0 -o raw > shop.log
      lodur query 'sum by (level) (rate({app="shop"}[5m]))' --since 6h --step 5m
      lodur query '{app="shop"} |= "error"' -o jsonl -q | jq -r .line
      lodur query '{app="shop"}' --since 7d --parallel-max-workers 4 --part-path-prefix shop -o jsonl
      lodur query '{app="shop"} |= "error"' --explain
      journalctl -o cat | lodur query --stdin '| json | level="error"' -o raw
    """
    if explain:
        # Imported here: the planner is not needed to ask a server.
        from lodur.query.explain import explain as explain_query

        write_out(explain_query(query).rstrip("\n") + "\n")
        return
    if follows:
        _follow(connection, query, span, ENTRIES_SHOWN if limit is None else limit, delay_s, layout)
        return
    asked = RangeQuery(
        text=query,
        span=span,
        direction=Direction.FORWARD if forward else Direction.BACKWARD,
        limit=limit if limit is not None else 0 if parts.is_wanted else ENTRIES_SHOWN,
        batch=batch,
        step=step,
        interval=interval,
    )
    if stdin:
        statistics = _print_stdin(replace(asked, limit=limit or 0), layout)
    elif parts.is_wanted:
        statistics = _print_parts(connection, asked, parts, layout)
    else:
        statistics = _print(connection, asked, layout).statistics
    if stats:
        write_err(format_statistics(statistics))


def _follow(connection: Connection, text: str, span: TimeSpan, limit: int, delay_s: int, layout: LogFormat) -> None:
    # Imported here: a query that ends needs no WebSocket.
    from lodur.cli.tail import follow
    from lodur.cli.tail_client import TailQuery

    follow(connection, TailQuery(text=text, start_ns=span.start_ns, limit=max(1, limit), delay_s=delay_s), layout)


def _print(
    connection: Connection, asked: RangeQuery, layout: LogFormat, out: Callable[[str], None] = write_out
) -> RangeQueryRun:
    with closing(LokiClient(connection)) as client:
        run = RangeQueryRun(client, asked, layout, out)
        run.print()
    return run


def _print_stdin(asked: RangeQuery, layout: LogFormat) -> Statistics:
    # Imported here: the query engine is not needed to ask a server.
    from lodur.cli.stdin_client import StdinClient

    asked = replace(asked, direction=Direction.FORWARD, batch=STDIN_PAGE_ENTRIES)
    with closing(StdinClient(sys.stdin.buffer, now_ns=asked.span.end_ns)) as client:
        run = RangeQueryRun(client, asked, layout)
        run.print()
    return run.statistics


def _print_parts(connection: Connection, asked: RangeQuery, parts: PartOptions, layout: LogFormat) -> Statistics:
    """Print the query part by part, or leave the parts in files."""
    if layout.mode is OutputMode.JSON and parts.is_merged:
        raise click.UsageError("parts make one array each, which cannot be put together: use -o jsonl")
    # Which labels all lines share, a part cannot know.
    layout = replace(layout, include_common=True)
    total: Statistics = {}
    lock = threading.Lock()

    def read(span: TimeSpan, write: Callable[[str], None]) -> None:
        nonlocal total
        run = _print(connection, replace(asked, span=span), layout, write)
        if run.is_metric:
            raise InvalidRequest("parts are for log lines: ask for a metric over the whole span")
        with lock:
            total = add_statistics(total, run.statistics)

    say = write_err if not layout.quiet else _say_nothing
    read_parts(parts, asked.span, read, newest_first=asked.direction is Direction.BACKWARD, say=say)
    return total


def _say_nothing(_: str) -> None:
    """Of a quiet command."""
