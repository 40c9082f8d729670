"""The head: a tenant's rows that are in no segment yet, queryable while they wait for their flush.

Durability is the WAL's affair, the choice of when to flush that of `lodur.ingest`. Start at `Head`.
"""

from __future__ import annotations

from lodur.kernels._native import FrozenHead, Head, HeadStats, HeadView  # noqa: TID251 - this is the typed face

__all__ = ["FrozenHead", "Head", "HeadStats", "HeadView"]
