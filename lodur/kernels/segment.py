"""Segments: written from a frozen head, opened from a local file or from parts of a remote object.

Where they lie and which of them are live is the store's affair. Start at `write_segment` and `Segment`.
Format: docs/formats/segment.md.
"""

from __future__ import annotations

from lodur.kernels._native import PartSizes, Segment, SegmentWritten, write_segment  # noqa: TID251 - the typed face

__all__ = ["PartSizes", "Segment", "SegmentWritten", "write_segment"]
