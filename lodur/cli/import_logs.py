"""`lodur import`: put files of entries into a server."""

from __future__ import annotations

import random
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import UTC
from enum import Enum
from pathlib import Path

import click

from lodur.cli.connection import Connection, connection_options
from lodur.cli.export_files import compression_of
from lodur.cli.import_delivery import ImportDelivery
from lodur.cli.import_lines import open_lines, read_json, read_text
from lodur.cli.import_mapping import FieldMapping
from lodur.cli.import_options import mapping_options
from lodur.cli.import_parquet import ParquetRows, open_parquet
from lodur.cli.import_rows import BadRow, Batch, batches
from lodur.cli.import_state import ImportState
from lodur.cli.push import INTERRUPTED
from lodur.cli.push_delivery import RetryPolicy, Tally
from lodur.cli.push_progress import Progress, TerminalProgress
from lodur.cli.terminal import write_err, write_out
from lodur.cli.times import option_moment
from lodur.model.clock import SystemClock
from lodur.model.errors import LodurError

BAD_SHOWN = 10
"""Of the rows that were left out: what they have in common is seen by then."""


class ImportFormat(Enum):
    """What a file holds; the value is the word of `--format`."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    RAW = "raw"


_SUFFIXES = {
    ".parquet": ImportFormat.PARQUET,
    ".jsonl": ImportFormat.JSONL,
    ".ndjson": ImportFormat.JSONL,
    ".json": ImportFormat.JSONL,
    ".log": ImportFormat.RAW,
    ".txt": ImportFormat.RAW,
}


@click.command(name="import")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...|-",
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True),
)
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in ImportFormat]),
    help="parquet, jsonl (of Lodur, logcli, Docker, or any other), or raw lines.  [default: as the file is called]",
)
@mapping_options
@click.option("--start", "start_text", metavar="TIME", help="Of raw lines: the time of the first.  [default: now]")
@click.option("--skip-bad", is_flag=True, help="Go on without rows that cannot be read, or that the server refuses.")
@click.option(
    "--state",
    "state_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep in this file how far the import is, and go on from there.",
)
@click.option("--attempts", type=click.IntRange(min=1), default=10, show_default=True, help="Tries for each request.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
@connection_options
def command(
    *,
    files: tuple[str, ...],
    form: str | None,
    mapping: FieldMapping,
    start_text: str | None,
    skip_bad: bool,
    state_file: Path | None,
    attempts: int,
    quiet: bool,
    connection: Connection,
) -> None:
    """Put files of entries into a server.

    Files of `lodur export` come back as they were. So do JSON lines of logcli and of Docker's json-file; of any other
    JSON or Parquet, options name the time, the line, the labels. Without --line-field a JSON record is the line itself.
    Each entry keeps its time: a server refuses old ones unless its limits_config.reject_old_samples is false. What is
    sent twice is stored once, so an import can be started again at any time.

    \b
    Examples:
      lodur import shop.parquet
      lodur import --state import.state archive-*.jsonl.gz
      lodur import --label app=web --format jsonl /var/lib/docker/containers/*/*-json.log
      lodur import --timestamp-field ts --line-field msg --label-field level app.ndjson
      lodur import --line-field body --timestamp-field event_time --label-field svc=service old.parquet
      lodur import --label app=legacy --start 2026-01-31T08:00:00Z legacy.log
    """
    forms = [_format_of(name, form) for name in files]
    clock = SystemClock()
    started_s = clock.monotonic_s()
    shown = not quiet and sys.stderr.isatty()
    state = ImportState(state_file)
    progress: AbstractContextManager[Progress | None] = TerminalProgress(files) if shown else nullcontext()
    skipped: list[str] = []
    with progress as bar:

        def settled(batch: Batch, tally: Tally) -> None:
            state.settle(batch.file, batch.end)
            if bar is not None:
                bar.delivered(tally)

        def bad(file: str, row: BadRow) -> None:
            if len(skipped) < BAD_SHOWN:
                skipped.append(f"  {file}:{row.place}: {row.reason}\n")

        delivery = ImportDelivery(
            connection,
            retry=RetryPolicy(attempts=attempts),
            rng=random.Random(),
            skip_bad=skip_bad,
            on_bad=bad,
            on_settled=settled,
        )
        start_ns = option_moment("--start", start_text, UTC)
        reading = _all_batches(tuple(zip(files, forms, strict=True)), mapping, start_ns, state, bar)
        code = _run(delivery, reading)
    tally = delivery.tally
    if skipped:
        write_err("rows that were left out:\n" + "".join(skipped))
        hidden = tally.refused_lines - len(skipped)
        write_err(f"  and {hidden} more\n" if hidden else "")
    if not quiet:
        seconds = clock.monotonic_s() - started_s
        write_out(
            f"imported {tally.lines:,} entries ({tally.raw_bytes / 1e6:.1f} MB) in {seconds:.1f} s,"
            f" {tally.refused_lines:,} left out\n"
        )
    sys.exit(code)


def _run(delivery: ImportDelivery, reading: Generator[Batch]) -> int:
    try:
        with closing(reading):
            delivery.deliver(reading)
    except LodurError as error:
        write_err(f"Error: {error}\n")
        return 1
    except KeyboardInterrupt:
        write_err("interrupted: with --state, the same command goes on from here\n")
        return INTERRUPTED
    return 0


def _all_batches(
    files: tuple[tuple[str, ImportFormat], ...],
    mapping: FieldMapping,
    start_ns: int,
    state: ImportState,
    bar: Progress | None,
) -> Generator[Batch]:
    for name, form in files:
        source = open_parquet(name, mapping) if form is ImportFormat.PARQUET else open_lines(name)
        with closing(source):
            if isinstance(source, ParquetRows):
                rows = source.rows()
            elif form is ImportFormat.JSONL:
                rows = read_json(source, mapping)
            else:
                rows = read_text(source, mapping, start_ns=start_ns)
            for batch in batches(name, rows, after=state.settled(name)):
                if bar is not None:
                    bar.read(source)
                yield batch


def _format_of(name: str, said: str | None) -> ImportFormat:
    if said is not None:
        form = ImportFormat(said)
    else:
        path = Path(name)
        found = _SUFFIXES.get((path.with_suffix("") if compression_of(name) else path).suffix.lower())
        if found is None:
            raise click.UsageError(f"what '{name}' holds its name does not tell: say --format parquet, jsonl or raw")
        form = found
    if form is ImportFormat.PARQUET and name == "-":
        raise click.UsageError("a Parquet file is read from its end: it cannot come from standard input")
    return form
