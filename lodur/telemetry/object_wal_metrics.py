"""What the object WAL does: written, followed, adopted."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


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
            "lodur_wal_follow_failures_total", "Looks at other writers' logs that failed.", registry=registry
        )
        self.adopted = Counter(
            "lodur_wal_adopted_total", "Logs of dead writers that were brought into segments.", registry=registry
        )
        self.adopted_rows = Counter(
            "lodur_wal_adopted_rows_total", "Rows that were brought into segments so.", registry=registry
        )
        self.adoption_failures = Counter(
            "lodur_wal_adoption_failures_total", "Adoptions that failed and are tried again.", registry=registry
        )
        self.damaged = Counter(
            "lodur_wal_damaged_objects_total", "Objects of logs that could not be read whole.", registry=registry
        )
