"""`lodur patterns`: what the lines of a selector have in common."""

from __future__ import annotations

from contextlib import closing
from datetime import tzinfo

import click

from lodur.cli.answers import PatternsAnswer, decode
from lodur.cli.client import LokiClient
from lodur.cli.connection import Connection, connection_options
from lodur.cli.list_output import list_output_option, print_list
from lodur.cli.log_output import OutputMode
from lodur.cli.query_errors import pointing_at_syntax, read_selector
from lodur.cli.times import span_options
from lodur.model.time_span import TimeSpan

PATTERNS_PATH = "/loki/api/v1/patterns"


@click.command(name="patterns")
@click.argument("selector")
@span_options
@list_output_option
@connection_options
def command(*, selector: str, connection: Connection, span: TimeSpan, zone: tzinfo, mode: OutputMode) -> None:
    """Tell what the lines of a selector have in common.

    One pattern a line after the number of its lines and their level, the most frequent first. A line filter
    `|> "..."` finds the lines of a pattern.

    \b
    Examples:
      lodur patterns '{app="shop"}' --since 1h
    """
    params = [("query", selector), ("start", str(span.start_ns)), ("end", str(span.end_ns))]
    with closing(LokiClient(connection)) as client, pointing_at_syntax(selector, read=read_selector):
        answer = decode(client.get(PATTERNS_PATH, params), PatternsAnswer, url=client.url)
    told = [(sum(count for _, count in one.samples), one.level, one.pattern) for one in answer.data]
    told.sort(key=lambda one: -one[0])
    width = max((len(str(count)) for count, _, _ in told), default=0)
    levels = max((len(level) for _, level, _ in told), default=0)
    readable = "".join(f"{count:>{width}}  {level.ljust(levels)}  {pattern}\n" for count, level, pattern in told)
    print_list(answer.data, readable, mode)
