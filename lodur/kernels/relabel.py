"""Label values rewritten by a regular expression with Go's syntax and speed that no expression can ruin."""

from __future__ import annotations

from lodur.kernels._native import replace_values  # noqa: TID251 - this is the typed face

__all__ = ["replace_values"]
