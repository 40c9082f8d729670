"""How much there is: sizes by selector, labels and time, without reading a page.

Start at `index_stats` and `volumes`; both take directories, whose pages need not be at hand.
"""

from __future__ import annotations

from lodur.kernels._native import IndexStats, index_stats, volumes  # noqa: TID251 - this is the typed face

__all__ = ["IndexStats", "index_stats", "volumes"]
