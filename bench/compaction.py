"""`python -m bench.compaction`: what a corpus costs from push until compacted, and what is kept of it.

One server takes the corpus in and flushes it; a second one, a process of its own, compacts what lies there until
nothing is left to do. So the CPU of both parts is told apart, and the peak memory of the second is that of a server
that compacts. `--passes N` pushes the corpus as so many sets of streams: with three, segments of 1 GiB are made.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import environ
from pathlib import Path

import click
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from bench import bars
from bench.bars import Bar
from bench.bodies import in_pass
from bench.calibration import calibrate
from bench.corpus import CACHE, Corpus, find_generator, open_corpus, prepare
from bench.figures import MB, per_gb
from bench.kept import kept_below
from bench.load import PushLog, push
from bench.process_facts import cpu_s, memory
from bench.report import Kept
from bench.server import BenchServer, ServerFailed
from bench.tables import titled_table, verdict

TAKING_IN = """\
  compactor: {settled_after: 100000h, cold_after: 100000h, target_bytes: 64GiB}
"""
"""A server that takes the corpus's day for one that still gets rows, and compacts nothing of it."""

COMPACTING = """\
  compactor: {reader_grace: 0s}
compactor: {compaction_interval: 2s}
"""
"""The corpus is of a day long past, so all that there is to do is done at once."""

COMPACTED_S_MAX = 1200.0
POLL_S = 1.0

FLUSHED = "lodur_flush_bytes_total"
MERGED = "lodur_compaction_written_bytes_total"
MERGES = "lodur_compactions_total"
ROUNDS = "lodur_compaction_rounds_total"
WRITES = "lodur_write_amplification"


@dataclass(frozen=True, slots=True)
class Part:
    """One of the two servers' work."""

    cpu_s: float
    peak_bytes: int
    written_bytes: float
    kept: Kept
    counted: dict[str, float]


@click.command()
@click.option("--mb", default=512, show_default=True, help="Size of the corpus, MiB of raw lines.")
@click.option("--corpus", "source", type=click.Path(path_type=Path), help="A corpus that is there already.")
@click.option("--passes", default=1, show_default=True, help="Times that the corpus is pushed, each as new streams.")
@click.option("--directory", type=click.Path(path_type=Path), default=CACHE / "run", help="Where data go meanwhile.")
def main(mb: int, source: Path | None, passes: int, directory: Path) -> None:
    """Measure CPU, memory and bytes from the first push until all is compacted."""
    corpus = open_corpus(source) if source else prepare(mb, find_generator(None, environ))
    try:
        zstd = calibrate(corpus, directory.resolve()).zstd_cpu_s_per_gb
        taken = _take_in(directory.resolve(), corpus, passes)
        compacted = _compact(directory.resolve())
    except ServerFailed as error:
        raise click.ClickException(str(error)) from error
    console = Console() if sys.stdout.isatty() else Console(width=110)
    raw_bytes = corpus.meta.bytes * passes
    console.print(_spent(taken, compacted, raw_bytes, bars.pace(zstd)))
    console.print(_kept(taken.kept, compacted.kept, raw_bytes))
    console.print(_written(taken, compacted))


def _take_in(directory: Path, corpus: Corpus, passes: int) -> Part:
    """Push and flush everything."""
    with BenchServer(directory, extra=TAKING_IN) as server:
        before_s, log = cpu_s(server.pid), PushLog()
        connection = server.connect()
        for body in _bodies(corpus.bodies(), passes):
            push(connection, body, log)
        connection.close()
        server.flush()
        if log.failures:
            raise ServerFailed(log.failures[0])
        return _part(server, before_s, FLUSHED)


def _bodies(paths: Sequence[Path], passes: int) -> Iterator[bytes]:
    for path in paths:
        body = path.read_bytes()
        for number in range(passes):
            yield in_pass(body, number) if number else body


def _compact(directory: Path) -> Part:
    """Let a server compact what the first one left, until two more of its rounds find nothing to do."""
    with BenchServer(directory, extra=COMPACTING, keeps_data=True) as server:
        before_s, end = cpu_s(server.pid), time.monotonic() + COMPACTED_S_MAX
        merges, since_round = -1.0, 0.0
        while True:
            counted = _counted(server)
            rounds = counted.get(ROUNDS, 0.0)
            if counted.get(MERGES, 0.0) != merges:
                merges, since_round = counted.get(MERGES, 0.0), rounds
            elif rounds >= since_round + 2:
                return _part(server, before_s, MERGED)
            if time.monotonic() > end:
                raise ServerFailed(f"not compacted within {COMPACTED_S_MAX:g} s")
            time.sleep(POLL_S)


def _part(server: BenchServer, before_s: float, written: str) -> Part:
    spent_s = cpu_s(server.pid) - before_s
    counted = _counted(server)
    return Part(spent_s, memory(server.pid).peak_bytes, counted.get(written, 0.0), kept_below(server.data), counted)


def _counted(server: BenchServer) -> dict[str, float]:
    """Lodur's own counters and gauges, each summed over its labels."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(server.ask("GET", "/metrics").body.decode()):
        for sample in family.samples:
            if sample.name.startswith("lodur_"):
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def _spent(taken: Part, compacted: Part, raw_bytes: int, pace: float | None) -> Table:
    table = titled_table("CPU and memory", "part", "CPU-s/GB", "where the bars were set", "peak MB", "bar")
    whole_s = taken.cpu_s + compacted.cpu_s
    is_bars_size = bars.are_meant_for(raw_bytes)
    rows: tuple[tuple[str, float, int, Bar | None], ...] = (
        ("push and flush", taken.cpu_s, taken.peak_bytes, bars.INGEST_CPU),
        ("compaction", compacted.cpu_s, compacted.peak_bytes, None),
        ("all", whole_s, 0, bars.COMPACTED_CPU),
    )
    for name, spent_s, peak_bytes, bar in rows:
        raw = per_gb(spent_s, raw_bytes)
        there = raw / pace if pace else raw
        peak = f"{peak_bytes / MB:.0f}" if peak_bytes else ""
        table.add_row(name, f"{raw:.2f}", f"{there:.2f}", peak, verdict(bar if is_bars_size else None, there))
    peak_mb = compacted.peak_bytes / MB
    table.add_row("peak of the compacting server", "", "", f"{peak_mb:.0f}", verdict(bars.COMPACTION_PEAK, peak_mb))
    return table


def _kept(flushed: Kept, compacted: Kept, raw_bytes: int) -> Table:
    table = titled_table("bytes kept, MB", "part", "flushed", "compacted", "of raw", "bar")
    for part in ("lines", "timestamps", "labels", "index", "total"):
        before, after = getattr(flushed, part), getattr(compacted, part)
        is_bars = part == "total" and bars.are_meant_for(raw_bytes)
        bar = verdict(bars.COMPACTED_KEPT if is_bars else None, after / MB)
        table.add_row(part, f"{before / MB:.2f}", f"{after / MB:.2f}", f"{after / raw_bytes:.3%}", bar)
    return table


def _written(taken: Part, compacted: Part) -> Table:
    table = titled_table("written to the store", "what", "figure")
    all_bytes = taken.written_bytes + compacted.written_bytes
    table.add_row("by flushes", f"{taken.written_bytes / MB:.2f} MB")
    table.add_row(f"by {compacted.counted.get(MERGES, 0.0):.0f} compactions", f"{compacted.written_bytes / MB:.2f} MB")
    table.add_row("all, over what flushes wrote", f"{all_bytes / taken.written_bytes:.2f}")
    table.add_row("all, over what is kept", f"{all_bytes / compacted.kept.total:.2f}")
    table.add_row(f"writes of a live row ({WRITES})", f"{compacted.counted.get(WRITES, 0.0):.2f}")
    return table


if __name__ == "__main__":
    main()
