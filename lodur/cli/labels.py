"""`lodur labels`: label names, or the values of one."""

from __future__ import annotations

from contextlib import closing
from datetime import tzinfo
from urllib.parse import quote

import click

from lodur.cli.answers import LabelsAnswer, decode
from lodur.cli.client import LokiClient
from lodur.cli.connection import Connection, connection_options
from lodur.cli.list_output import list_output_option, print_list
from lodur.cli.log_output import OutputMode
from lodur.cli.query_errors import pointing_at_syntax, read_selector
from lodur.cli.times import span_options
from lodur.model.time_span import TimeSpan

LABELS_PATH = "/loki/api/v1/labels"


@click.command(name="labels")
@click.argument("name", required=False)
@click.option("--query", "selector", metavar="SELECTOR", help="Only of streams that match, such as '{app=\"shop\"}'.")
@span_options
@list_output_option
@connection_options
def command(
    *,
    name: str | None,
    selector: str | None,
    connection: Connection,
    span: TimeSpan,
    zone: tzinfo,
    mode: OutputMode,
) -> None:
    """List label names, or the values of one label.

    One a line, in order. Labels are those of streams; what a parser stage makes of a line is not listed.

    \b
    Examples:
      lodur labels
      lodur labels app --since 24h
      lodur labels level --query '{app="shop"}'
    """
    path = LABELS_PATH if name is None else f"/loki/api/v1/label/{quote(name, safe='')}/values"
    params = [("start", str(span.start_ns)), ("end", str(span.end_ns))]
    selectors = [] if selector is None else [selector]
    params += [("query", text) for text in selectors]
    with closing(LokiClient(connection)) as client, pointing_at_syntax(*selectors, read=read_selector):
        answer = decode(client.get(path, params), LabelsAnswer, url=client.url)
    print_list(answer.data, "".join(f"{label}\n" for label in answer.data), mode)
