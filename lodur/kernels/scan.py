"""Scans (local stand-in until the face is merged)."""

from __future__ import annotations

from lodur.kernels._native import (  # noqa: TID251 - this is the typed face
    Cancel,
    LogResult,
    MetricResult,
    Scan,
    ScanStats,
    encode_matrix,
    list_streams,
)

__all__ = ["Cancel", "LogResult", "MetricResult", "Scan", "ScanStats", "encode_matrix", "list_streams"]
