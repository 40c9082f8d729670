"""Patterns of lines, found when they are asked for. Start at `PatternScan`."""

from __future__ import annotations

from lodur.kernels._native import PatternScan  # noqa: TID251 - this is the typed face

__all__ = ["PatternScan"]
