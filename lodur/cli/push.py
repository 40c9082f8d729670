"""`lodur push`: ship files, or standard input."""

from __future__ import annotations

import random
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

import click

from lodur.cli.connection import Connection, connection_options
from lodur.cli.label_options import as_utf8, parse_labels
from lodur.cli.push_delivery import Delivery, RetryPolicy, Tally
from lodur.cli.push_progress import Progress, TerminalProgress
from lodur.cli.push_source import Batch, EncodeLines, LineClock, Source, open_file, open_stdin, read_batches
from lodur.cli.terminal import write_err, write_out
from lodur.model.clock import Clock, SystemClock
from lodur.model.errors import LodurError
from lodur.model.label_set import LabelSet

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as shells give it."""


@click.command(name="push")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...|-",
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True),
)
@click.option(
    "--label",
    "labels",
    metavar="NAME=VALUE",
    multiple=True,
    callback=parse_labels,
    help="A label of all lines, repeatable. Given besides: job=lodur-push, and filename; an empty value drops one.",
)
@click.option("--attempts", type=click.IntRange(min=1), default=10, show_default=True, help="Tries for each request.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
@connection_options
def command(
    *, files: tuple[str, ...], labels: dict[str, str], attempts: int, quiet: bool, connection: Connection
) -> None:
    """Ship files, or standard input, to a server.

    Every line becomes an entry with the time of its arrival, in the file's order. Files compressed with gzip are
    decompressed on the way. Requests that the server cannot take now are sent again, later and later.

    \b
    Examples:
      lodur push /var/log/dpkg.log
      lodur push --label app=shop --label env=prod access.log access.log.*.gz
      journalctl -f | lodur push --label job=journal -
      lodur query '{job="lodur-push"}' --since 5m    # see what arrived
    """
    # Imported here: the extension module is large, and help needs none of it.
    from lodur.wire.push_lines import push_of_lines

    clock = SystemClock()
    started_s = clock.monotonic_s()
    shown = not quiet and sys.stderr.isatty()
    progress: AbstractContextManager[Progress | None] = TerminalProgress(files) if shown else nullcontext()
    with progress as bar:
        delivery = Delivery(
            connection,
            retry=RetryPolicy(attempts=attempts),
            rng=random.Random(),
            on_delivered=lambda tally: bar.delivered(tally) if bar is not None else None,
        )
        code = _run(delivery, _all_batches(files, labels, push_of_lines, clock, bar))
    tally = delivery.tally
    if not quiet:
        write_out(format_summary(tally, len(files), clock.monotonic_s() - started_s))
    write_err(format_reasons(tally))
    sys.exit(code or (1 if tally.reasons else 0))


def _run(delivery: Delivery, batches: Generator[Batch]) -> int:
    try:
        with closing(batches):
            delivery.deliver(batches)
    except LodurError as error:
        write_err(f"Error: {error}\n")
        return 1
    except KeyboardInterrupt:
        write_err("interrupted: lines that were not sent yet stay where they are\n")
        return INTERRUPTED
    return 0


def _all_batches(
    files: tuple[str, ...], labels: dict[str, str], encode: EncodeLines, clock: Clock, bar: Progress | None
) -> Generator[Batch]:
    times = LineClock(clock)
    for name in files:
        with closing(_open(name, labels, clock)) as source:
            for batch in read_batches(source, encode, times):
                if bar is not None:
                    bar.read(source)
                yield batch


def _open(name: str, labels: dict[str, str], clock: Clock) -> Source:
    filename = "stdin" if name == "-" else as_utf8(str(Path(name).absolute()))
    merged = {"job": "lodur-push", "filename": filename} | labels
    kept = LabelSet.of({label: value for label, value in merged.items() if value})
    if not kept:
        raise click.UsageError("no label is left: keep job or filename, or give another with --label")
    if name == "-":
        return open_stdin(sys.stdin.buffer, kept, clock)
    try:
        return open_file(Path(name), kept)
    except OSError as error:
        raise click.FileError(name, error.strerror or str(error)) from error


def format_summary(tally: Tally, files: int, seconds: float) -> str:
    """One line on what was done."""
    megabytes = tally.raw_bytes / 1e6
    what = "file" if files == 1 else "files"
    speed = megabytes / seconds if seconds > 0 else 0.0
    return (
        f"pushed {tally.lines:,} lines ({megabytes:.1f} MB) from {files} {what} in {seconds:.1f} s ({speed:.1f} MB/s),"
        f" {tally.refused_lines:,} refused\n"
    )


def format_reasons(tally: Tally) -> str:
    """Why requests were refused, the most frequent reason first; empty where none was."""
    if not tally.reasons:
        return ""
    lines = [f"  {count} x {reason}" for reason, count in tally.reasons.most_common(REASONS_SHOWN)]
    hidden = len(tally.reasons) - len(lines)
    if hidden > 0:
        lines.append(f"  and {hidden} more")
    return "\n".join(["refused requests (the server may have kept their other lines):", *lines]) + "\n"


REASONS_SHOWN = 5
"""Reasons name streams and times, so that there can be as many as requests."""
