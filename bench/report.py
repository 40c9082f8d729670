"""What a run of the bench found, as values that are kept as JSON.

Printing is in `tables`, comparing in `compare`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec


class Place(StrEnum):
    """Where the rows of a query lay."""

    HEAD = "head"
    SEGMENTS = "segments"


@dataclass(frozen=True, slots=True)
class CorpusFacts:
    """The corpus that was pushed."""

    lines: int
    raw_bytes: int
    streams: int


@dataclass(frozen=True, slots=True)
class Calibrations:
    """What the machine itself does with the raw lines, in the same minutes. None: the tool is not there."""

    zstd_cpu_s_per_gb: float | None
    """zstd -1 on one core."""
    zstd_bytes: int | None
    """What it leaves of the lines in the order of their arrival."""
    unpack_search_s: float | None
    """zstd -dc | rg -c for a string that occurs in one line."""
    search_s: float | None
    """rg -c for the same in the raw file."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """The load, each push acknowledged after fsync."""

    raw_bytes: int
    wall_s: float
    flush_wall_s: float
    """Of the explicit flush after the last push."""
    cpu_s: float
    """Of the server, flush included."""
    peak_bytes: int
    """Resident memory of the server."""
    push_p50_s: float
    push_p99_s: float
    statuses: dict[str, int]


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes of all segments by part."""

    lines: int
    timestamps: int
    labels: int
    """Label columns, structured metadata and stream numbers."""
    index: int
    """Gram filter, directory and footer: all that is not a column."""

    @property
    def total(self) -> int:
        return self.lines + self.timestamps + self.labels + self.index


@dataclass(frozen=True, slots=True)
class QueryFigure:
    """One query over one place, asked several times."""

    name: str
    place: Place
    raw_bytes: int
    """Of all lines at that place."""
    best_s: float
    median_s: float
    cpu_s: float
    """Median of the server's CPU time."""
    rows: int
    """Entries or points of the answer."""
    answer_bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """One run."""

    build: str
    cores: int
    corpus: CorpusFacts
    calibrations: Calibrations
    ingest: Ingest
    kept: Kept
    queries: tuple[QueryFigure, ...]
    failures: tuple[str, ...]
    """What went wrong; a run with any has no success status."""


def write_report(report: Report, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def read_report(path: Path) -> Report:
    """Raises OSError, or msgspec.DecodeError for a file that no run wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Report)
