"""Set two reports side by side: `python -m bench compare OLD.json NEW.json`."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.figures import MB, change, mb_per_s, per_gb
from bench.report import Report

NOISE = 0.1
"""Changes below a tenth are not coloured: two runs of one build differ as much."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure of two reports."""

    name: str
    old: float
    new: float
    unit: str
    more_is_better: bool = False

    @property
    def change(self) -> float | None:
        return change(self.old, self.new)

    def is_better(self) -> bool | None:
        """None where the change is no more than noise."""
        if self.change is None or abs(self.change) < NOISE:
            return None
        return (self.change > 0) == self.more_is_better


def pairs(old: Report, new: Report) -> list[Pair]:
    """All figures that both reports have."""
    found = [
        Pair("rg -c", ms(old.calibrations.search_s), ms(new.calibrations.search_s), "ms"),
        Pair("ingest CPU", _cpu(old), _cpu(new), "CPU-s/GB"),
        Pair("ingest rate", _rate(old), _rate(new), "MB/s", more_is_better=True),
        Pair("ingest memory", old.ingest.peak_bytes / MB, new.ingest.peak_bytes / MB, "MB"),
        Pair("push p99", ms(old.ingest.push_p99_s), ms(new.ingest.push_p99_s), "ms"),
        Pair("kept", old.kept.total / MB, new.kept.total / MB, "MB"),
    ]
    before = {(figure.place, figure.name): figure for figure in old.queries}
    for figure in new.queries:
        earlier = before.get((figure.place, figure.name))
        if earlier is not None:
            name = f"{figure.place}: {figure.name}"
            found.append(Pair(name, ms(earlier.median_s), ms(figure.median_s), "ms"))
            found.append(Pair(f"{name}, CPU", ms(earlier.cpu_s), ms(figure.cpu_s), "ms"))
    return found


def ms(seconds: float | None) -> float:
    """Milliseconds; 0 of a calibration that was not run."""
    return (seconds or 0.0) * 1e3


def print_comparison(old: Report, new: Report, console: Console) -> None:
    if old.corpus != new.corpus:
        console.print("the corpora differ: the figures of the two reports say little about each other", style="red")
    table = Table(title=f"{old.build} → {new.build}", title_justify="left", header_style="dim")
    table.add_column("figure", no_wrap=True)
    for column in ("old", "new", "unit", "change"):
        table.add_column(column, justify="right", no_wrap=True)
    for pair in pairs(old, new):
        table.add_row(pair.name, f"{pair.old:.2f}", f"{pair.new:.2f}", pair.unit, _shown(pair))
    console.print(table)


def _shown(pair: Pair) -> str:
    if pair.change is None:
        return ""
    style = {True: "green", False: "red", None: "dim"}[pair.is_better()]
    return f"[{style}]{pair.change:+.1%}[/]"


def _cpu(report: Report) -> float:
    return per_gb(report.ingest.cpu_s, report.ingest.raw_bytes)


def _rate(report: Report) -> float:
    return mb_per_s(report.ingest.raw_bytes, report.ingest.wall_s)
