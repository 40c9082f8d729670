"""Work on whole segments: merge them, say what of them has expired, check every byte.

What is merged when is the store's affair. Start at `merge_segments`.
"""

from __future__ import annotations

from lodur.kernels._native import (  # noqa: TID251 - the typed face
    Cancel,
    KeepRules,
    SegmentsMerged,
    merge_segments,
    verify_segment,
)

__all__ = ["Cancel", "KeepRules", "SegmentsMerged", "merge_segments", "verify_segment"]
