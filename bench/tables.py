"""Print a report: each figure with its bar and its proportion to a calibration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table

from bench import bars
from bench.bars import Bar
from bench.figures import MB, gb_per_s, mb_per_s, per_gb, ratio
from bench.report import Calibrations, Ingest, Kept, Place, QueryFigure, Report

NO_FIGURE = "-"


def print_report(report: Report, case_bars: Mapping[str, Bar | None], console: Console) -> None:
    """All tables. `case_bars` has the bars of queries by name."""
    corpus = report.corpus
    console.print(
        f"{report.build} on {report.cores} cores; corpus of {corpus.raw_bytes / MB:.0f} MB, "
        f"{corpus.lines} lines, {corpus.streams} streams",
        highlight=False,
    )
    is_bars_size = bars.are_meant_for(corpus.raw_bytes)
    console.print(_calibrations(report.calibrations))
    console.print(_ingest(report.ingest, report.calibrations, is_bars_size))
    console.print(_kept(report.kept, report.ingest.raw_bytes, report.calibrations, is_bars_size))
    for place in Place:
        figures = [figure for figure in report.queries if figure.place is place]
        if figures:
            shown_bars = case_bars if is_bars_size and place is Place.SEGMENTS else {}
            console.print(_queries(place, figures, shown_bars, report.calibrations.search_s, corpus.raw_bytes))
    for failure in report.failures:
        console.print(f"failed: {failure}", style="red", markup=False, highlight=False)


def bar_figure(figure: QueryFigure, bar: Bar) -> float:
    """What of a query's figure its bar speaks of. The median: one lucky run proves nothing."""
    return gb_per_s(figure.raw_bytes, figure.median_s) if bar.unit == "GB/s" else figure.median_s * 1e3


def verdict(bar: Bar | None, figure: float) -> str:
    if bar is None:
        return ""
    return f"[green]{bar} ok[/]" if bar.holds(figure) else f"[red]{bar} missed[/]"


def times(value: float, calibration: float | None, of: str) -> str:
    found = ratio(value, calibration)
    return NO_FIGURE if found is None else f"{found:.2f} x {of}"


def titled_table(title: str, first: str, *columns: str) -> Table:
    """A table without rows; all columns but the first are aligned to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _calibrations(found: Calibrations) -> Table:
    table = titled_table("calibrations", "tool", "figure")
    table.add_row("zstd -1, one core", _optional(found.zstd_cpu_s_per_gb, 1, "CPU-s/GB"))
    table.add_row("zstd -1 leaves", _optional(found.zstd_bytes, 1 / MB, "MB"))
    table.add_row("zstd -dc | rg -c", _optional(found.unpack_search_s, 1e3, "ms"))
    table.add_row("rg -c", _optional(found.search_s, 1e3, "ms"))
    table.add_row("CPU-s for one where the bars were set", _optional(bars.pace(found.zstd_cpu_s_per_gb), 1, "CPU-s"))
    return table


def _optional(value: float | None, factor: float, unit: str) -> str:
    return NO_FIGURE if value is None else f"{value * factor:.2f} {unit}"


def _ingest(ingest: Ingest, calibrations: Calibrations, is_bars_size: bool) -> Table:
    def bar(value: Bar, figure: float) -> str:
        return verdict(value if is_bars_size else None, figure)

    cpu = per_gb(ingest.cpu_s, ingest.raw_bytes)
    rate = mb_per_s(ingest.raw_bytes, ingest.wall_s)
    rate_flushed = mb_per_s(ingest.raw_bytes, ingest.wall_s + ingest.flush_wall_s)
    peak = ingest.peak_bytes / MB
    table = titled_table("ingest", "what", "figure", "calibration", "bar")
    zstd = times(cpu, calibrations.zstd_cpu_s_per_gb, "zstd -1")
    table.add_row("CPU of the server, flushed", f"{cpu:.2f} CPU-s/GB", zstd, bar(bars.INGEST_CPU, cpu))
    pace = bars.pace(calibrations.zstd_cpu_s_per_gb)
    if pace:
        table.add_row(
            "the same where the bars were set", f"{cpu / pace:.2f} CPU-s/GB", "", bar(bars.INGEST_CPU, cpu / pace)
        )
    table.add_row("acknowledged", f"{rate:.1f} MB/s", "", bar(bars.INGEST_RATE, rate))
    table.add_row("acknowledged and flushed", f"{rate_flushed:.1f} MB/s", "", "")
    table.add_row("push, median", f"{ingest.push_p50_s * 1e3:.1f} ms", "", "")
    table.add_row("push, 99th percentile", f"{ingest.push_p99_s * 1e3:.1f} ms", "", "")
    table.add_row("peak memory of the server", f"{peak:.0f} MB", "", bar(bars.PEAK_MEMORY, peak))
    answers = " ".join(f"{status}: {count}" for status, count in sorted(ingest.statuses.items()))
    table.add_row("answers by status", answers, "", "")
    return table


def _kept(kept: Kept, raw_bytes: int, calibrations: Calibrations, is_bars_size: bool) -> Table:
    table = titled_table("bytes kept", "part", "MB", "of raw", "calibration", "bar")
    parts = {"lines": kept.lines, "timestamps": kept.timestamps, "labels": kept.labels, "index": kept.index}
    for name, size in parts.items():
        table.add_row(name, f"{size / MB:.2f}", f"{size / raw_bytes:.3%}", "", "")
    table.add_row(
        "all",
        f"{kept.total / MB:.2f}",
        f"{kept.total / raw_bytes:.3%}",
        times(kept.total, calibrations.zstd_bytes, "zstd -1"),
        verdict(bars.KEPT if is_bars_size else None, kept.total / MB),
    )
    return table


def _queries(
    place: Place,
    figures: Iterable[QueryFigure],
    case_bars: Mapping[str, Bar | None],
    search_s: float | None,
    corpus_bytes: int,
) -> Table:
    """`search_s` is of the whole corpus; the head may hold a part of it, and is measured by its part."""
    rows = list(figures)
    title = f"queries from {place}, {rows[0].raw_bytes / MB:.0f} MB"
    table = titled_table(
        title, "query", "best ms", "median ms", "CPU ms", "GB/s", "rows", "answer kB", "calibration", "bar"
    )
    for figure in rows:
        part_s = search_s * figure.raw_bytes / corpus_bytes if search_s else None
        bar = case_bars.get(figure.name)
        table.add_row(
            figure.name,
            f"{figure.best_s * 1e3:.1f}",
            f"{figure.median_s * 1e3:.1f}",
            f"{figure.cpu_s * 1e3:.1f}",
            f"{gb_per_s(figure.raw_bytes, figure.median_s):.2f}",
            str(figure.rows),
            f"{figure.answer_bytes / 1e3:.1f}",
            times(figure.median_s, part_s, "rg"),
            verdict(bar, bar_figure(figure, bar)) if bar else "",
        )
    return table
