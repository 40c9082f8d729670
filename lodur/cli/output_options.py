"""Options about what is printed, and how; commands receive them as one `LogFormat`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import tzinfo

import click

from lodur.cli.log_output import LogFormat, OutputMode
from lodur.cli.terminal import is_colour_wanted
from lodur.cli.times import TimeFormat

_MODE_OPTION = click.option(
    "-o",
    "--output",
    "mode",
    type=click.Choice([mode.value for mode in OutputMode]),
    default=OutputMode.DEFAULT.value,
    show_default=True,
    help="default: for people; raw: the lines alone, or tab-separated samples; jsonl: a JSON object a line; "
    "json: an array of them.",
)
_COLOUR_OPTION = click.option(
    "--colored-output/--no-color",
    "coloured",
    default=None,
    help="Colour by stream, or not.  [default: when a terminal is there and NO_COLOR is not set]",
)
_QUIET_OPTION = click.option("-q", "--quiet", is_flag=True, help="Print nothing but the result.")
_LOG_OPTIONS = (
    _MODE_OPTION,
    _QUIET_OPTION,
    click.option("--no-labels", is_flag=True, help="Print no labels beside the lines."),
    click.option("--include-label", metavar="NAME", multiple=True, help="Print this label only; repeatable."),
    click.option("--exclude-label", metavar="NAME", multiple=True, help="Do not print this label; repeatable."),
    click.option("--include-common-labels", is_flag=True, help="Print labels that all lines share in each line too."),
    click.option(
        "--labels-length",
        "labels_width",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        help="Pad labels to so many characters at least.",
    ),
    click.option(
        "--output-timestamp-format",
        "time_format",
        type=click.Choice([form.value for form in TimeFormat]),
        default=TimeFormat.RFC3339.value,
        show_default=True,
        help="Form of printed times in the default output.",
    ),
    _COLOUR_OPTION,
)


def stats_option(function: Callable[..., None]) -> Callable[..., None]:
    """Add `--stats`; the command receives it as `stats`."""
    return click.option("--stats", is_flag=True, help="Print the query's statistics to standard error.")(function)


def log_format_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add all options about printing entries; takes `zone` in, and gives the command its `layout`."""

    @functools.wraps(function)
    def collect(
        *,
        zone: tzinfo,
        mode: str,
        quiet: bool,
        no_labels: bool,
        include_label: tuple[str, ...],
        exclude_label: tuple[str, ...],
        include_common_labels: bool,
        labels_width: int,
        time_format: str,
        coloured: bool | None,
        **others: object,
    ) -> None:
        layout = LogFormat(
            mode=OutputMode(mode),
            zone=zone,
            time_format=TimeFormat(time_format),
            coloured=is_colour_wanted(coloured),
            quiet=quiet,
            show_labels=not no_labels,
            include_labels=frozenset(include_label),
            exclude_labels=frozenset(exclude_label),
            include_common=include_common_labels,
            labels_width=labels_width,
        )
        function(layout=layout, **others)

    return _with_options(collect, _LOG_OPTIONS)


def metric_format_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options about printing metrics; takes `zone` in, and gives the command its `layout`."""

    @functools.wraps(function)
    def collect(*, zone: tzinfo, mode: str, coloured: bool | None, quiet: bool, **others: object) -> None:
        layout = LogFormat(mode=OutputMode(mode), zone=zone, coloured=is_colour_wanted(coloured), quiet=quiet)
        function(layout=layout, **others)

    return _with_options(collect, (_MODE_OPTION, _QUIET_OPTION, _COLOUR_OPTION))


def _with_options(
    function: Callable[..., None], options: tuple[Callable[[Callable[..., None]], Callable[..., None]], ...]
) -> Callable[..., None]:
    for option in reversed(options):
        function = option(function)
    return function
