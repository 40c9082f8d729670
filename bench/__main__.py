"""`python -m bench`: one run of all measurements, `compare` of two runs, or the load of `concurrency`.

Nothing here fails for being slow: the status is 0 unless something went wrong. bench/README.md says how to read it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import msgspec
from rich.console import Console

from bench import concurrency
from bench.calibration import calibrate
from bench.compare import print_comparison
from bench.corpus import CACHE, ROOT, Corpus, find_generator, open_corpus, prepare
from bench.kept import kept_below
from bench.load import measure_ingest, push_all
from bench.queries import measure_queries
from bench.report import CorpusFacts, Place, QueryFigure, Report, read_report, write_report
from bench.server import BenchServer, ServerFailed
from bench.suite import Case, chosen, suite
from bench.tables import print_report

HEAD_SHARE = 4
"""One of so many bodies is asked for from the head: 128 MiB of 512, well below what a flush waits for."""

TABLE_COLUMNS = 132
"""Width of the tables where the output is no terminal."""

Command = TypeVar("Command", bound=Callable[..., None])


def corpus_options(command: Command) -> Command:
    """The options that name a corpus."""
    path = click.Path(path_type=Path)
    command = click.option("--mb", default=512, show_default=True, help="Size of the corpus, MiB of raw lines.")(
        command
    )
    command = click.option("--generator", type=path, help="Program that makes the corpus.")(command)
    command = click.option("--corpus", type=path, help="A corpus that is there already.")(command)
    return click.option("--directory", type=path, default=CACHE / "run", help="Where the server's data go meanwhile.")(
        command
    )


@click.group(invoke_without_command=True)
@corpus_options
@click.option("--threads", default=4, show_default=True, help="Connections that push.")
@click.option("--repeat", default=5, show_default=True, help="Times that each query is asked.")
@click.option("--only", multiple=True, help="Ask this query only; may be given again.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as JSON.")
@click.pass_context
def main(
    context: click.Context,
    mb: int,
    generator: Path | None,
    corpus: Path | None,
    directory: Path,
    threads: int,
    repeat: int,
    only: tuple[str, ...],
    out: Path | None,
) -> None:
    """Measure ingest, bytes kept and queries of this build, beside calibrations of this machine."""
    if context.invoked_subcommand is not None:
        return
    found = _corpus(mb, generator, corpus)
    try:
        cases = chosen(suite(found.meta), only)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--only") from error
    try:
        report = _run(found, cases, directory.resolve(), threads=threads, repeat=repeat)
    except ServerFailed as error:
        raise click.ClickException(str(error)) from error
    if out:
        write_report(report, out)
    print_report(report, {case.name: case.bar for case in cases}, _console())
    context.exit(1 if report.failures else 0)


@main.command("compare")
@click.argument("old", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("new", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def compare_command(old: Path, new: Path) -> None:
    """Set two reports, written with --out, side by side."""
    try:
        reports = read_report(old), read_report(new)
    except msgspec.DecodeError as error:
        raise click.ClickException(f"not a report of the bench: {error}") from error
    print_comparison(*reports, _console())


@main.command("concurrency")
@corpus_options
@click.option("--seconds", default=120.0, show_default=True, help="How long to push and ask.")
@click.option("--pushers", default=32, show_default=True)
@click.option("--queriers", default=8, show_default=True)
@click.option("--mb-per-s", default=32.0, show_default=True, help="Raw MB/s of all pushers; 0: as fast as they can.")
@click.option("--body-kb", default=0, help="Raw KB in each push; 0: as the corpus has them, about 1000.")
@click.option("--may-sleep", is_flag=True, help="Let idle processors sleep, as they do without root in any case.")
@click.pass_context
def concurrency_command(
    context: click.Context,
    mb: int,
    generator: Path | None,
    corpus: Path | None,
    directory: Path,
    seconds: float,
    pushers: int,
    queriers: int,
    mb_per_s: float,
    body_kb: int,
    may_sleep: bool,
) -> None:
    """Push and ask at the same time, count errors, watch the memory."""
    load = concurrency.Load(seconds, pushers, queriers, mb_per_s, body_kb * 1000, may_sleep)
    try:
        found = concurrency.run(_corpus(mb, generator, corpus), directory.resolve(), load)
    except ServerFailed as error:
        raise click.ClickException(str(error)) from error
    concurrency.print_outcome(found, _console())
    context.exit(1 if found.failures else 0)


def _corpus(mb: int, generator: Path | None, corpus: Path | None) -> Corpus:
    try:
        return open_corpus(corpus) if corpus else prepare(mb, find_generator(generator, os.environ))
    except (OSError, msgspec.DecodeError, subprocess.CalledProcessError) as error:
        raise click.ClickException(f"no corpus: {error}") from error


def _run(corpus: Corpus, cases: tuple[Case, ...], directory: Path, *, threads: int, repeat: int) -> Report:
    meta = corpus.meta
    _say("calibrations")
    calibrations = calibrate(corpus, directory)
    _say("queries from the head")
    figures, failures = _measure_head(corpus, cases, directory, threads=threads, repeat=repeat)
    with BenchServer(directory) as server:
        _say("ingest")
        ingest, push_failures = measure_ingest(server, corpus.bodies(), meta.bytes, threads)
        kept = kept_below(server.data)
        _say("queries from segments")
        from_segments, query_failures = measure_queries(
            server, cases, Place.SEGMENTS, meta, raw_bytes=meta.bytes, repeat=repeat
        )
    return Report(
        build=_build(),
        cores=os.cpu_count() or 1,
        corpus=CorpusFacts(meta.lines, meta.bytes, meta.streams),
        calibrations=calibrations,
        ingest=ingest,
        kept=kept,
        queries=(*figures, *from_segments),
        failures=(*failures, *push_failures, *query_failures),
    )


def _measure_head(
    corpus: Corpus, cases: tuple[Case, ...], directory: Path, *, threads: int, repeat: int
) -> tuple[list[QueryFigure], list[str]]:
    """Push a part of the corpus that stays in memory, and ask."""
    bodies = corpus.bodies()
    part = bodies[: max(len(bodies) // HEAD_SHARE, 1)]
    raw_bytes = corpus.meta.bytes * len(part) // len(bodies)
    with BenchServer(directory) as server:
        log = push_all(server, part, threads)
        figures, failures = measure_queries(server, cases, Place.HEAD, corpus.meta, raw_bytes=raw_bytes, repeat=repeat)
    return figures, [*log.failures, *failures]


def _build() -> str:
    """The commit that is measured, marked where the tree differs from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown build"


def _say(step: str) -> None:
    print(f"==> {step}", file=sys.stderr)


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=TABLE_COLUMNS)


if __name__ == "__main__":
    main(prog_name="python -m bench")
