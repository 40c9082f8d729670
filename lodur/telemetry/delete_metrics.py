"""Counters of delete requests; those that begin with `loki_` are what dashboards and alerts for Loki look at."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class DeleteMetrics:
    """What is counted of delete requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.received = Counter(
            "loki_compactor_delete_requests_received_total",
            "Delete requests that were made.",
            ["user"],
            registry=registry,
        )
        self.processed = Counter(
            "loki_compactor_delete_requests_processed_total",
            "Delete requests of which nothing is left to do.",
            ["user"],
            registry=registry,
        )
        self.pending = Gauge(
            "loki_compactor_pending_delete_requests_count",
            "Delete requests that are not processed yet.",
            registry=registry,
        )
        self.oldest_pending_age = Gauge(
            "loki_compactor_oldest_pending_delete_request_age_seconds",
            "Age of the oldest of them.",
            registry=registry,
        )
        self._deleted_rows = Counter(
            "lodur_deleted_rows_total", "Entries that delete requests removed.", ["tenant"], registry=registry
        )
        # Loki's name ends in no `_total`, which no counter of this library can have.
        self._deleted_lines = Gauge(
            "loki_compactor_deleted_lines", "The same, by Loki's name.", ["user"], registry=registry
        )

    def deleted(self, tenant: str, rows: int) -> None:
        """Count removed entries."""
        self._deleted_rows.labels(tenant).inc(rows)
        self._deleted_lines.labels(tenant).inc(rows)
