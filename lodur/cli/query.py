"""`lodur query`: log lines, or a metric over a time span."""

from __future__ import annotations

from contextlib import closing

import click

from lodur.cli.client import LokiClient
from lodur.cli.connection import Connection, connection_options
from lodur.cli.log_output import LogFormat
from lodur.cli.output_options import log_format_options, stats_option
from lodur.cli.paging import Direction
from lodur.cli.range_query import RangeQuery, RangeQueryRun
from lodur.cli.stats_output import format_statistics
from lodur.cli.terminal import write_err, write_out
from lodur.cli.times import span_options
from lodur.model.time_span import TimeSpan


@click.command(name="query")
@click.argument("query")
@span_options
@click.option(
    "--limit", type=click.IntRange(min=0), default=30, show_default=True, help="Print so many entries; 0 prints all."
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
@log_format_options
@stats_option
@click.option("--explain", is_flag=True, help="Print the plan of the query and ask no server.")
@connection_options
def command(
    *,
    query: str,
    connection: Connection,
    span: TimeSpan,
    limit: int,
    batch: int,
    forward: bool,
    step: str | None,
    interval: str | None,
    layout: LogFormat,
    stats: bool,
    explain: bool,
) -> None:
    """Ask for log lines, or for a metric over a time span.

    Lines are printed newest first. What their labels have in common is printed once, to standard error, and so are
    statistics and warnings: standard output holds nothing but the result.

    \b
    Examples:
      lodur query '{app="shop"} |= "error"'
      lodur query '{app="shop"} | json | status >= 500' --since 24h --limit 200
      lodur query '{app="shop"}' --from 2026-01-31T08:00:00Z --to 2026-01-31T09:00:00Z --limit 0 -o raw > shop.log
      lodur query 'sum by (level) (rate({app="shop"}[5m]))' --since 6h --step 5m
      lodur query '{app="shop"} |= "error"' -o jsonl -q | jq -r .line
      lodur query '{app="shop"} |= "error"' --explain
    """
    if explain:
        # Imported here: the planner is not needed to ask a server.
        from lodur.query.explain import explain as explain_query

        write_out(explain_query(query).rstrip("\n") + "\n")
        return
    asked = RangeQuery(
        text=query,
        span=span,
        direction=Direction.FORWARD if forward else Direction.BACKWARD,
        limit=limit,
        batch=batch,
        step=step,
        interval=interval,
    )
    with closing(LokiClient(connection)) as client:
        run = RangeQueryRun(client, asked, layout)
        run.print()
    if stats:
        write_err(format_statistics(run.statistics))
