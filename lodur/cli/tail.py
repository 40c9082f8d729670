"""`lodur tail`: follow log lines as they come."""

from __future__ import annotations

import random

import click

from lodur.cli.connection import Connection, connection_options
from lodur.cli.log_output import LogFormat, OutputMode
from lodur.cli.output_options import log_format_options
from lodur.cli.push_delivery import RetryPolicy
from lodur.cli.query_errors import pointing_at_syntax, read_query
from lodur.cli.tail_client import Tailer, TailQuery
from lodur.cli.tail_options import DELAY_MAX_S
from lodur.cli.times import since_option


@click.command(name="tail")
@click.argument("query")
@since_option
@click.option(
    "--limit", type=click.IntRange(min=1), default=30, show_default=True, help="Begin with so many lines at most."
)
@click.option(
    "--delay-for",
    "delay_s",
    type=click.IntRange(min=0, max=DELAY_MAX_S),
    default=0,
    show_default=True,
    help="Seconds that the server holds lines back, to put late ones in order.",
)
@log_format_options
@connection_options
def command(*, query: str, start_ns: int, limit: int, delay_s: int, layout: LogFormat, connection: Connection) -> None:
    """Follow log lines as they come.

    Begins with the newest lines there are, and goes on until it is interrupted. A connection that breaks is made
    again, and goes on after the last line; that lines were too many to be sent is said on standard error.

    \b
    Examples:
      lodur tail '{app="shop"}'
      lodur tail '{app="shop"} | json | status >= 500' --since 5m
      lodur tail '{app="shop"} |= "error"' -o raw | grep -v healthz
      lodur tail '{app="shop"}' --delay-for 2 -o jsonl
    """
    follow(connection, TailQuery(text=query, start_ns=start_ns, limit=limit, delay_s=delay_s), layout)


def follow(connection: Connection, asked: TailQuery, layout: LogFormat) -> None:
    """Print lines as they come, for ever."""
    if layout.mode is OutputMode.JSON:
        raise click.UsageError("an array has an end, a tail has none: use -o jsonl")
    with pointing_at_syntax(asked.text, read=read_query):
        Tailer(connection, asked, layout, random.Random(), RetryPolicy()).print_for_ever()
