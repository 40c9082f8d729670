"""How many bytes of pushes are in memory at a time: being read, waiting, or being worked on.

A tenant has half of the room at most, so that another one finds some. Belongs to the event loop. Start at
`HeldBodies.one`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from lodur.model.errors import Unavailable
from lodur.model.tenant import TenantId

BUSY_RETRY_S = 1.0


class HeldBody:
    """One body, as far as it has come."""

    def __init__(self, held: HeldBodies, tenant: TenantId) -> None:
        self._held = held
        self._tenant = tenant
        self.size_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """More of it has come. Raises Unavailable where that is too much beside others; alone it may be any size."""
        held, of_tenant = self._held, self._held.by_tenant
        for all_bytes, max_bytes in (
            (held.size_bytes, held.max_bytes),
            (of_tenant[self._tenant], held.max_bytes // 2),
        ):
            has_others = all_bytes > self.size_bytes
            if has_others and all_bytes + size_bytes > max_bytes:
                raise Unavailable("too many pushes at once, try again later", retry_after_s=BUSY_RETRY_S)
        self.size_bytes += size_bytes
        held.size_bytes += size_bytes
        of_tenant[self._tenant] += size_bytes

    def let_go(self) -> None:
        """It is held no more."""
        held = self._held
        held.size_bytes -= self.size_bytes
        held.by_tenant[self._tenant] -= self.size_bytes
        if not held.by_tenant[self._tenant]:
            del held.by_tenant[self._tenant]


class HeldBodies:
    """All bodies together."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size_bytes = 0
        self.by_tenant: Counter[TenantId] = Counter()

    @contextmanager
    def one(self, tenant: TenantId) -> Iterator[HeldBody]:
        """Around the reading of a body and all that is done with it."""
        body = HeldBody(self, tenant)
        try:
            yield body
        finally:
            body.let_go()
