"""`lodur volume_range`: how many bytes there are, by labels and by time."""

from __future__ import annotations

import click

from lodur.cli.connection import Connection, connection_options
from lodur.cli.log_output import LogFormat
from lodur.cli.output_options import metric_format_options
from lodur.cli.times import parse_duration_ns, span_options
from lodur.cli.volume_options import print_volumes, volume_options
from lodur.model.durations import NS_PER_S
from lodur.model.time_span import TimeSpan

VOLUME_RANGE_PATH = "/loki/api/v1/index/volume_range"


def _step_s(ctx: click.Context, param: click.Parameter, text: str) -> int:
    try:
        step_ns = parse_duration_ns(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if step_ns < NS_PER_S:
        raise click.BadParameter(f"'{text}' is less than a second")
    return step_ns // NS_PER_S


@click.command(name="volume_range")
@click.argument("selector")
@click.option(
    "--step",
    "step_s",
    metavar="DURATION",
    default="1h",
    show_default=True,
    callback=_step_s,
    help="Add up over so long each, in whole seconds.",
)
@volume_options
@span_options
@metric_format_options
@connection_options
def command(
    *,
    selector: str,
    step_s: int,
    limit: int,
    target_labels: str | None,
    by_label: bool,
    connection: Connection,
    span: TimeSpan,
    layout: LogFormat,
) -> None:
    """Tell how many bytes there are, by labels and by time.

    \b
    Examples:
      lodur volume_range '{app="shop"}' --since 24h
      lodur volume_range '{app=~".+"}' --step 10m -o raw
    """
    print_volumes(
        VOLUME_RANGE_PATH,
        selector,
        connection,
        layout,
        span,
        limit=limit,
        target_labels=target_labels,
        by_label=by_label,
        step_s=step_s,
    )
