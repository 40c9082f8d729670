"""Scans of heads and segments, and questions about their streams. Start at `Scan` and `streams_json`."""

from __future__ import annotations

from lodur.kernels._native import (  # noqa: TID251 - this is the typed face
    Cancel,
    LogResult,
    MetricResult,
    Scan,
    ScanStats,
    encode_matrix,
    label_names,
    label_values,
    streams_json,
)

__all__ = [
    "Cancel",
    "LogResult",
    "MetricResult",
    "Scan",
    "ScanStats",
    "encode_matrix",
    "label_names",
    "label_values",
    "streams_json",
]
