"""Labels and fields that clients offer for filtering: found in streams, and in the entries of a log query.

Start at `detect_fields` and `detect_labels`.
"""

from __future__ import annotations

from lodur.kernels._native import (  # noqa: TID251 - this is the typed face
    DetectedField,
    detect_fields,
    detect_labels,
    field_values,
)

__all__ = ["DetectedField", "detect_fields", "detect_labels", "field_values"]
