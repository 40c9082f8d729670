"""The object stores of all periods: which one holds a day.

A day belongs to the period of its first moment, so that each day lies in one store.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from lodur.model.clock import Clock, SystemClock
from lodur.store.cloud_clients import open_object_store
from lodur.store.days import day_span
from lodur.store.hedged_store import HedgeAllowance, HedgedStore
from lodur.store.object_store import ObjectStore
from lodur.store.options import FilesystemOptions, MemoryOptions, ObjectStoreOptions, StorageOptions
from lodur.telemetry.store_metrics import StoreMetrics


class ObjectStores:
    """Object stores by the time from which each of them holds new data."""

    def __init__(self, periods: Sequence[tuple[int, ObjectStore]]) -> None:
        if not periods:
            raise ValueError("there must be a store at least")
        self._periods = tuple(sorted(periods, key=lambda period: period[0]))

    @classmethod
    def of(
        cls,
        options: StorageOptions,
        *,
        spool_directory: Path,
        metrics: StoreMetrics | None = None,
        clock: Clock | None = None,
    ) -> ObjectStores:
        """One client for each place that the options name, however many periods name it.

        Raises InvalidRequest for credentials or certificates in files that are no use.
        """
        metrics, clock = metrics or StoreMetrics(CollectorRegistry()), clock or SystemClock()
        allowance = HedgeAllowance(options.hedging.per_second_max, clock)
        opened: dict[ObjectStoreOptions, ObjectStore] = {}
        for period in options.periods:
            if period.object_store not in opened:
                spool = spool_directory / str(len(opened))
                store = open_object_store(period.object_store, spool_directory=spool, metrics=metrics, clock=clock)
                is_remote = not isinstance(period.object_store, FilesystemOptions | MemoryOptions)
                if options.hedging.after_s and is_remote:
                    store = HedgedStore(store, options.hedging, allowance, metrics)
                opened[period.object_store] = store
        return cls([(period.start_ns, opened[period.object_store]) for period in options.periods])

    def of_day(self, day: int) -> ObjectStore:
        """Where segments and manifest of a day lie; days before the first period belong to it."""
        start_ns = day_span(day).start_ns
        chosen = self._periods[0][1]
        for since_ns, store in self._periods[1:]:
            if since_ns <= start_ns:
                chosen = store
        return chosen

    def oldest(self) -> ObjectStore:
        """Where the oldest days lie: the one place that stays when a site moves on to another store."""
        return self._periods[0][1]

    def each(self) -> tuple[ObjectStore, ...]:
        """Every store once."""
        return tuple(dict.fromkeys(store for _, store in self._periods))
