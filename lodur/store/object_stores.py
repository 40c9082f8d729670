"""The object stores of all periods: which one holds a day.

A day belongs to the period of its first moment, so that each day lies in one store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from lodur.model.clock import Clock, SystemClock
from lodur.store.cloud_clients import open_object_store, place_of
from lodur.store.days import day_of, day_span
from lodur.store.hedged_store import HedgeAllowance, HedgedStore
from lodur.store.object_store import ObjectStore
from lodur.store.options import FilesystemOptions, MemoryOptions, ObjectStoreOptions, StorageOptions
from lodur.telemetry.store_metrics import StoreMetrics


class ObjectStores:
    """Object stores by the time from which each of them holds new data."""

    def __init__(
        self, periods: Sequence[tuple[int, ObjectStore]], names: Mapping[ObjectStore, str] | None = None
    ) -> None:
        """In: the time from which each store holds new data, and what people call some of them."""
        if not periods:
            raise ValueError("there must be a store at least")
        self._periods = tuple(sorted(periods, key=lambda period: period[0]))
        self._names = dict(names or {})

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
        places = {store: place_of(place) for place, store in opened.items()}
        periods = [(period.start_ns, opened[period.object_store]) for period in options.periods]
        return cls(periods, _distinct(places))

    def of_day(self, day: int) -> ObjectStore:
        """Where segments and manifest of a day lie; days before the first period belong to it."""
        start_ns = day_span(day).start_ns
        chosen = self._periods[0][1]
        for since_ns, store in self._periods[1:]:
            if since_ns <= start_ns:
                chosen = store
        return chosen

    def of_span(self, start_ns: int, end_ns: int) -> tuple[ObjectStore, ...]:
        """Every store that holds days of `start_ns <= timestamp < end_ns`, once, oldest first."""
        if end_ns <= start_ns:
            return ()
        first, last = (day_span(day_of(ns)).start_ns for ns in (start_ns, end_ns - 1))
        begun = [(since_ns, store) for since_ns, store in self._periods[1:] if first < since_ns <= last]
        return tuple(dict.fromkeys([self.of_day(day_of(start_ns)), *(store for _, store in begun)]))

    def name_of(self, store: ObjectStore) -> str:
        """What people call a store, without a secret; no two have the same name."""
        return self._names.get(store) or f"object store {self.each().index(store) + 1}"

    def oldest(self) -> ObjectStore:
        """Where the oldest days lie: the one place that stays when a site moves on to another store."""
        return self._periods[0][1]

    def each(self) -> tuple[ObjectStore, ...]:
        """Every store once."""
        return tuple(dict.fromkeys(store for _, store in self._periods))


def _distinct(places: Mapping[ObjectStore, str]) -> dict[ObjectStore, str]:
    """Names of stores; those of the same name, as buckets of two clouds may have, are numbered from the second on."""
    seen: Counter[str] = Counter()
    names: dict[ObjectStore, str] = {}
    for store, name in places.items():
        seen[name] += 1
        names[store] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return names
