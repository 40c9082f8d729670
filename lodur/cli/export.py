"""`lodur export`: all entries of a selector and a time span, into a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import click

from lodur.cli.connection import Connection, connection_options
from lodur.cli.export_files import compression_of, opened_target
from lodur.cli.export_source import StoreSource, export_pages, opened_source
from lodur.cli.export_writers import ExportFormat, format_of, opened_writer
from lodur.cli.progress_lines import ProgressLines
from lodur.cli.query_errors import explained
from lodur.cli.store_options import StorePlace, store_options
from lodur.cli.terminal import write_err
from lodur.cli.times import format_time, span_options
from lodur.model.errors import InvalidRequest, QuerySyntaxError
from lodur.model.time_span import TimeSpan


@click.command(name="export")
@click.argument("selector")
@click.argument("file", default="-", type=click.Path(dir_okay=False, allow_dash=True))
@span_options
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in ExportFormat]),
    help="parquet, jsonl, or raw for the lines alone.  [default: as the file is called; jsonl to standard output]",
)
@click.option(
    "--batch", type=click.IntRange(min=1), default=5000, show_default=True, help="Ask for so many entries at once."
)
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
@store_options
@connection_options
def command(
    *,
    selector: str,
    file: str,
    span: TimeSpan,
    zone: object,
    form: str | None,
    batch: int,
    quiet: bool,
    place: StorePlace,
    connection: Connection,
) -> None:
    """Write all entries of a selector and a time span into a file.

    Oldest first, as they are stored: lines, labels, structured metadata, times to the nanosecond. The selector may be
    followed by filters of lines and labels. The file gets its name when it is complete; the suffixes .gz, .zst, .bz2
    and .xz compress it. With --config-file or --directory the store itself is read, whether its server runs or not;
    the tenant is that of --org-id. `lodur import` puts a file back.

    \b
    Examples:
      lodur export '{app="shop"}' shop.parquet --since 24h
      lodur export '{app="shop"} |= "error"' errors.jsonl.gz --from 2026-01-01 --to 2026-02-01
      lodur export '{app="shop"}' --format raw --since 1h | grep timeout
      lodur export '{app=~".+"}' all.parquet --since 30d --config-file loki.yaml --org-id team-a
    """
    check_exportable(selector)
    chosen = ExportFormat(form) if form else format_of(file)
    if chosen is None:
        raise click.UsageError(f"what '{file}' is to hold its name does not tell: say --format parquet, jsonl or raw")
    if chosen is ExportFormat.PARQUET and compression_of(file):
        raise click.UsageError("Parquet compresses by itself: leave the suffix away")
    facts = {"lodur.export": "1", "lodur.selector": selector}
    exported = 0
    with opened_source(selector, connection, place) as source:
        if isinstance(source, StoreSource) and not source.is_whole:
            write_err("a server has this store: lines that it has not flushed yet are left out\n")
        progress = _progress(span, is_quiet=quiet)
        with opened_target(file) as sink, opened_writer(chosen, sink, facts) as write, progress as bar:
            for page in export_pages(source, span, batch):
                write(page)
                exported += len(page)
                bar.reached(page[-1].ts_ns, exported)
    if not quiet:
        where = "standard output" if file == "-" else str(Path(file))
        write_err(f"exported {exported:,} entries to {where}\n")


def check_exportable(text: str) -> None:
    """Raise InvalidRequest for a query whose entries are not as they are stored."""
    # Imported here: help needs no parser.
    from lodur.logql.parser import parse_query
    from lodur.logql.stages.label_filter import LabelFilter
    from lodur.logql.stages.line_filter import LineFilter
    from lodur.logql.tree import LogQuery

    try:
        query = parse_query(text)
    except QuerySyntaxError as error:
        raise InvalidRequest(explained(error)) from error
    if not isinstance(query, LogQuery):
        raise InvalidRequest("a metric has no entries: `lodur query` with -o jsonl writes its samples")
    for stage in query.stages:
        if not isinstance(stage, LineFilter | LabelFilter):
            raise InvalidRequest(
                f"entries are exported as they are stored, without '{stage}': "
                "`lodur query` with --limit 0 -o jsonl writes what a pipeline makes of them"
            )


class _Bar(Protocol):
    def reached(self, ts_ns: int, entries: int) -> None: ...


class _TerminalBar:
    """How far in the span the export is, and how many entries it has."""

    def __init__(self, span: TimeSpan) -> None:
        # Imported here: drawing needs more modules than all else that the command does.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._start_ns = span.start_ns
        columns = (BarColumn(), TextColumn("{task.fields[text]}"))
        self.drawn = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._task = self.drawn.add_task("", total=max(1, span.end_ns - span.start_ns), text="")

    def reached(self, ts_ns: int, entries: int) -> None:
        self.drawn.update(self._task, completed=ts_ns - self._start_ns, text=_reached_text(ts_ns, entries))


class _Lines:
    """The same where no terminal is there: now and then."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._lines = ProgressLines(is_quiet=is_quiet)

    def reached(self, ts_ns: int, entries: int) -> None:
        self._lines.say(lambda: _reached_text(ts_ns, entries))


def _reached_text(ts_ns: int, entries: int) -> str:
    from datetime import UTC

    return f"{entries:,} entries to {format_time(ts_ns, UTC, nanos=False)}"


@contextmanager
def _progress(span: TimeSpan, *, is_quiet: bool) -> Iterator[_Bar]:
    if is_quiet or not sys.stderr.isatty():
        yield _Lines(is_quiet=is_quiet)
        return
    bar = _TerminalBar(span)
    with bar.drawn:
        yield bar
