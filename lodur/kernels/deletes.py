"""Delete requests, compiled: what sources are read and written without.

Which requests matter to which source is the store's affair. Start at `DeleteRule.compile` and `Segment.without`.
"""

from __future__ import annotations

from lodur.kernels._native import DeleteRule, Deletes  # noqa: TID251 - the typed face

__all__ = ["DeleteRule", "Deletes"]
