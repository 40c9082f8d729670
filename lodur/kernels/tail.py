"""Frames of live tails."""

from __future__ import annotations

from lodur.kernels._native import TailForm, TailRows  # noqa: TID251 - this is the typed face

__all__ = ["TailForm", "TailRows"]
