"""What Lodur promises for the corpus of 512 MiB on two cores. Bars are printed beside figures; none ends a run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

BARS_RAW_BYTES = 512 * 2**20
"""Of the corpus that the bars speak of."""
BARS_TOLERANCE = 0.05

BARS_ZSTD_CPU_S_PER_GB = 2.8
"""Of the machine that the bars were set on, with nothing else running."""


class Side(StrEnum):
    """On which side of a bar it is good to be."""

    AT_MOST = "≤"
    AT_LEAST = "≥"


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise."""

    side: Side
    value: float
    unit: str

    def holds(self, figure: float) -> bool:
        return figure <= self.value if self.side is Side.AT_MOST else figure >= self.value

    def __str__(self) -> str:
        return f"{self.side} {self.value:g} {self.unit}"


INGEST_CPU = Bar(Side.AT_MOST, 10, "CPU-s/GB")
INGEST_RATE = Bar(Side.AT_LEAST, 100, "MB/s")
PEAK_MEMORY = Bar(Side.AT_MOST, 1500, "MB")
KEPT = Bar(Side.AT_MOST, 140, "MB")
COMPACTED_CPU = Bar(Side.AT_MOST, 12, "CPU-s/GB")
COMPACTED_KEPT = Bar(Side.AT_MOST, 125, "MB")
COMPACTION_PEAK = Bar(Side.AT_MOST, 600, "MB")
FULL_SCAN = Bar(Side.AT_LEAST, 0.7, "GB/s")


def at_most_ms(value: float) -> Bar:
    return Bar(Side.AT_MOST, value, "ms")


def are_meant_for(raw_bytes: int) -> bool:
    """Whether a corpus is of the size that the bars speak of."""
    return abs(raw_bytes / BARS_RAW_BYTES - 1) <= BARS_TOLERANCE


def pace(zstd_cpu_s_per_gb: float | None) -> float | None:
    """How many CPU-seconds of this machine do the work of one of the machine that the bars were set on."""
    return zstd_cpu_s_per_gb / BARS_ZSTD_CPU_S_PER_GB if zstd_cpu_s_per_gb else None
