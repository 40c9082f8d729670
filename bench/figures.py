"""The arithmetic of the bench: rates, percentiles and ratios. GB and MB are powers of ten, of raw lines."""

from __future__ import annotations

import math
from collections.abc import Sequence

MB = 1_000_000
GB = 1_000_000_000


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of all values do not exceed; 0 of no values."""
    if not values:
        return 0.0
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def per_gb(cpu_s: float, raw_bytes: int) -> float:
    """CPU-seconds for a GB of raw lines."""
    return cpu_s * GB / raw_bytes


def mb_per_s(raw_bytes: int, wall_s: float) -> float:
    return raw_bytes / MB / wall_s


def gb_per_s(raw_bytes: int, wall_s: float) -> float:
    return raw_bytes / GB / wall_s


def ratio(value: float, calibration: float | None) -> float | None:
    """How many times the calibration a value is; None without a calibration."""
    return value / calibration if calibration else None


def change(old: float, new: float) -> float | None:
    """By what part of `old` it became more (positive) or less; None where `old` is 0."""
    return new / old - 1 if old else None
