"""Rows that are in no store: what is asked of them goes with the process."""

from __future__ import annotations

from collections.abc import Sequence

from lodur.kernels.head import Head, HeadView
from lodur.kernels.push_decode import DecodedPush
from lodur.model.tenant import TenantId


class RowsInMemory:
    """The rows of whoever asks, as the query engine reads a store."""

    def __init__(self) -> None:
        self._head = Head()

    def insert(self, push: DecodedPush) -> None:
        """Add the rows of a push."""
        self._head.insert(push)

    async def sources(self, tenant: TenantId, start_ns: int, end_ns: int) -> Sequence[HeadView]:
        return (self._head.snapshot(),)
