"""`lodur volume`: how many bytes there are, by labels."""

from __future__ import annotations

import click

from lodur.cli.connection import Connection, connection_options
from lodur.cli.log_output import LogFormat
from lodur.cli.output_options import metric_format_options
from lodur.cli.times import span_options
from lodur.cli.volume_options import print_volumes, volume_options
from lodur.model.time_span import TimeSpan

VOLUME_PATH = "/loki/api/v1/index/volume"


@click.command(name="volume")
@click.argument("selector")
@volume_options
@span_options
@metric_format_options
@connection_options
def command(
    *,
    selector: str,
    limit: int,
    target_labels: str | None,
    by_label: bool,
    connection: Connection,
    span: TimeSpan,
    layout: LogFormat,
) -> None:
    """Tell how many bytes there are, by labels.

    The largest volumes first; bytes are those of lines and structured metadata.

    \b
    Examples:
      lodur volume '{app=~".+"}' --since 24h
      lodur volume '{app="shop"}' --targetLabels pod
      lodur volume '{}' --aggregateByLabels
    """
    print_volumes(
        VOLUME_PATH,
        selector,
        connection,
        layout,
        span,
        limit=limit,
        target_labels=target_labels,
        by_label=by_label,
    )
