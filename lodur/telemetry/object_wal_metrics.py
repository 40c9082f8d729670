"""What the object WAL does: written, followed, adopted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector


class ObjectWalMetrics:
    """Counters of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.writers = Gauge("lodur_wal_followed_writers", "Other writers whose logs are followed.", registry=registry)
        self.followed_bytes = Gauge(
            "lodur_wal_followed_bytes", "Raw bytes of other writers' rows that are held for queries.", registry=registry
        )
        self.followed_records = Counter(
            "lodur_wal_followed_records_total", "Records read from other writers' logs.", registry=registry
        )
        self.follow_failures = Counter(
            "lodur_wal_follow_failures_total",
            "Looks at other writers' logs and manifests that failed, by the object store that they lie in.",
            ["store"],
            registry=registry,
        )
        self.follow_age = Gauge(
            "lodur_wal_follow_age_seconds",
            "Since the last look at other writers' logs and manifests that did not fail, by object store.",
            ["store"],
            registry=registry,
        )
        self.adopted = Counter(
            "lodur_wal_adopted_total", "Logs of dead writers that were brought into segments.", registry=registry
        )
        self.adopted_rows = Counter(
            "lodur_wal_adopted_rows_total", "Rows that were brought into segments so.", registry=registry
        )
        self.adoption_failures = Counter(
            "lodur_wal_adoption_failures_total",
            "Looks for logs of dead writers, and adoptions, that failed and are tried again, by object store.",
            ["store"],
            registry=registry,
        )
        self.damaged = Counter(
            "lodur_wal_damaged_objects_total", "Objects of logs that could not be read whole.", registry=registry
        )


@dataclass(frozen=True, slots=True)
class ObjectWalSize:
    """A writer's log: counts since the start, and what is there now."""

    records: int
    objects: int
    kept_objects: int
    waiting_bytes: int
    write_failures: int
    lease_failures: int
    delete_failures: int


class ObjectWalCollector(Collector):
    """Sizes of a log that are looked up when they are asked for."""

    def __init__(self, size: Callable[[], ObjectWalSize]) -> None:
        self._size = size

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        size = self._size()
        yield CounterMetricFamily("lodur_wal_records", "Records appended.", value=size.records)
        yield CounterMetricFamily("lodur_wal_objects", "Objects of the WAL that were written.", value=size.objects)
        yield GaugeMetricFamily(
            "lodur_wal_kept_objects", "Objects with records that are in no segment yet.", value=size.kept_objects
        )
        yield GaugeMetricFamily(
            "lodur_wal_waiting_bytes", "Bytes of pushes that wait for the object store.", value=size.waiting_bytes
        )
        yield CounterMetricFamily(
            "lodur_wal_write_failures", "Attempts to write an object of the WAL that failed.", value=size.write_failures
        )
        yield CounterMetricFamily(
            "lodur_wal_lease_failures",
            "Signs of life that could not be given: after a lease without one the process is taken for dead.",
            value=size.lease_failures,
        )
        yield CounterMetricFamily(
            "lodur_wal_delete_failures",
            "Attempts to delete objects that the WAL needs no more which failed.",
            value=size.delete_failures,
        )
