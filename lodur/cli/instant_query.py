"""`lodur instant-query`: a metric at one moment."""

from __future__ import annotations

from contextlib import closing

import click

from lodur.cli.answers import QueryAnswer, Streams, decode
from lodur.cli.client import LokiClient
from lodur.cli.connection import Connection, connection_options
from lodur.cli.log_output import LogFormat, LogPrinter
from lodur.cli.metric_output import format_metric
from lodur.cli.output_options import metric_format_options, stats_option
from lodur.cli.paging import Direction, merge_streams
from lodur.cli.query_errors import pointing_at_syntax, read_query
from lodur.cli.stats_output import format_statistics, read_statistics
from lodur.cli.terminal import write_err, write_out
from lodur.cli.times import option_moment, zone_option

QUERY_PATH = "/loki/api/v1/query"


@click.command(name="instant-query")
@click.argument("query")
@zone_option
@click.option(
    "--now",
    "moment_text",
    metavar="TIME",
    help="The moment: RFC 3339, Unix seconds or nanoseconds, or -1h.  [default: now]",
)
@click.option("--limit", type=click.IntRange(min=1), default=30, show_default=True, help="Ask for so many results.")
@click.option("--forward", is_flag=True, help="Ask in the order of time.")
@metric_format_options
@stats_option
@connection_options
def command(
    *,
    query: str,
    connection: Connection,
    moment_text: str | None,
    limit: int,
    forward: bool,
    layout: LogFormat,
    stats: bool,
) -> None:
    """Ask for a metric at one moment.

    \b
    Examples:
      lodur instant-query 'sum by (level) (count_over_time({app="shop"}[1h]))'
      lodur instant-query 'topk(5, sum by (path) (rate({app="shop"} | json [5m])))' --now -1d
      lodur instant-query 'count_over_time({app="shop"}[24h])' -o jsonl
    """
    direction = Direction.FORWARD if forward else Direction.BACKWARD
    params = [
        ("query", query),
        ("time", str(option_moment("--now", moment_text, layout.zone))),
        ("limit", str(limit)),
        ("direction", direction.value),
    ]
    with closing(LokiClient(connection)) as client, pointing_at_syntax(query, read=read_query):
        answer = decode(client.get(QUERY_PATH, params), QueryAnswer, url=client.url)
    if not layout.quiet:
        write_err("".join(f"warning: {warning}\n" for warning in answer.warnings))
    if isinstance(answer.data, Streams):
        printer = LogPrinter(layout, out=write_out, err=write_err)
        printer.print_page(merge_streams(answer.data.result, direction))
        printer.close()
    else:
        write_out(format_metric(answer.data, layout.mode, layout.zone, coloured=layout.coloured))
    if stats:
        write_err(format_statistics(read_statistics(answer.data.stats)))
