"""The largest and smallest samples of many series, step by step."""

from __future__ import annotations

from lodur.kernels._native import choose_extremes  # noqa: TID251 - this is the typed face

__all__ = ["choose_extremes"]
