"""What `lodur volume` and `lodur volume_range` have in common: options, the request, and how its answer is printed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import click

from lodur.cli.answers import QueryAnswer, Streams, decode
from lodur.cli.client import LokiClient
from lodur.cli.connection import Connection
from lodur.cli.log_output import LogFormat
from lodur.cli.metric_output import format_metric
from lodur.cli.query_errors import pointing_at_syntax, read_series_selector
from lodur.cli.terminal import write_out
from lodur.model.errors import Unavailable
from lodur.model.time_span import TimeSpan

_OPTIONS = (
    click.option("--limit", type=click.IntRange(min=1), default=30, show_default=True, help="Tell so many volumes."),
    click.option(
        "--targetLabels",
        "--target-labels",
        "target_labels",
        metavar="NAME,...",
        help="Tell volumes apart by these labels.  [default: those that the selector names]",
    ),
    click.option("--aggregateByLabels", "--by-label", "by_label", is_flag=True, help="Add up by names of labels."),
)


def volume_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of volumes; the command receives `limit`, `target_labels` and `by_label`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def print_volumes(
    path: str,
    selector: str,
    connection: Connection,
    layout: LogFormat,
    span: TimeSpan,
    *,
    limit: int,
    target_labels: str | None,
    by_label: bool,
    step_s: int | None = None,
) -> None:
    """Ask for volumes and print them as a metric."""
    params = [
        ("query", selector),
        ("start", str(span.start_ns)),
        ("end", str(span.end_ns)),
        ("limit", str(limit)),
        ("aggregateBy", "labels" if by_label else "series"),
    ]
    params += [("targetLabels", target_labels)] if target_labels else []
    params += [("step", str(step_s))] if step_s is not None else []
    with closing(LokiClient(connection)) as client, pointing_at_syntax(selector, read=read_series_selector):
        answer = decode(client.get(path, params), QueryAnswer, url=client.url)
    if isinstance(answer.data, Streams):
        raise Unavailable(f"{connection.url} answered log lines where volumes were asked for")
    write_out(format_metric(answer.data, layout.mode, layout.zone, coloured=layout.coloured))
