"""Learn what segments have of the days whose rows the WAL brings back, for many tenants at once and ahead of the rows.

Each tenant has rows of a day or two: to ask for one after the other would be a start's longest part. Start at
`DayLearning.begin`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from lodur.model.tenant import TenantId
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.wire.push_body import DecodedPush

LEARN_AT_ONCE = 16
"""Manifests that are asked for at the same time: they wait for the network."""


class DayLearning:
    """Any thread may begin; who puts rows back waits for the end of it first."""

    def __init__(self, store: Store, learn_day: Callable[[TenantStore, int], None]) -> None:
        self._store = store
        self._learn_day = learn_day
        self._threads = ThreadPoolExecutor(LEARN_AT_ONCE, "replay-learn")
        self._lock = threading.Lock()
        self._asked: dict[tuple[TenantId, int], Future[None]] = {}
        """Each is asked for once, since rows of it are in memory later."""

    def begin(self, tenant: TenantId, push: DecodedPush) -> None:
        """Ask for the days of rows that will be put back. Those that are known may have changed since."""
        tenant_store = self._store.tenant(tenant)
        for day in push.days():
            with self._lock:
                if (tenant, day) not in self._asked:
                    self._asked[tenant, day] = self._threads.submit(self._learn_day, tenant_store, day)

    def finish(self, tenant: TenantId, push: DecodedPush) -> None:
        """Wait until the days of rows are known, for which `begin` was called. Raises what asking for them raised."""
        for day in push.days():
            asked = self._asked.get((tenant, day))
            if asked is not None:
                asked.result()

    def close(self) -> None:
        """Ask for no more; waits for what is being asked for."""
        self._threads.shutdown(cancel_futures=True)
