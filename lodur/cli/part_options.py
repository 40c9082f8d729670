"""Options about reading a span in parts; commands receive them as one `PartOptions`."""

from __future__ import annotations

import functools
from collections.abc import Callable

import click

from lodur.cli.parts import WORKERS_MAX, PartOptions
from lodur.cli.times import duration_value

_OPTIONS = (
    click.option(
        "--parallel-duration",
        "duration_ns",
        metavar="DURATION",
        default="1h",
        show_default=True,
        callback=duration_value,
        help="Cut the span into parts of this length, where parts are wanted.",
    ),
    click.option(
        "--parallel-max-workers",
        "workers",
        type=click.IntRange(min=1, max=WORKERS_MAX),
        default=1,
        show_default=True,
        help="Read so many parts at the same time.",
    ),
    click.option(
        "--part-path-prefix",
        "prefix",
        metavar="PATH",
        help="Write each part to a file PATH_FROM_TO.part, and do not print it.",
    ),
    click.option("--merge-parts", "merge", is_flag=True, help="Print the parts in order, and delete their files."),
    click.option("--keep-parts", "keep", is_flag=True, help="With --merge-parts: leave the files."),
    click.option(
        "--overwrite-completed-parts",
        "overwrite",
        is_flag=True,
        help="Read parts again whose files are there.  [default: go on with those that are missing]",
    ),
)


def part_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options about parts; the command receives them as `parts`."""

    @functools.wraps(function)
    def collect(
        *,
        duration_ns: int,
        workers: int,
        prefix: str | None,
        merge: bool,
        keep: bool,
        overwrite: bool,
        **others: object,
    ) -> None:
        if duration_ns == 0:
            raise click.BadParameter("a part must have a length", param_hint="--parallel-duration")
        parts = PartOptions(duration_ns, workers, prefix or None, overwrite, merge, keep)
        function(parts=parts, **others)

    decorated: Callable[..., None] = collect
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
