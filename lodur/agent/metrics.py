"""The agent's own metrics, under the names that Promtail's dashboards and alerts use."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class AgentMetrics:
    """One set of metrics in `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        path, host, tenant = ("path",), ("host",), ("host", "tenant")
        self.read_bytes = Gauge("promtail_read_bytes_total", "Bytes read of a file.", path, registry=registry)
        self.file_bytes = Gauge("promtail_file_bytes_total", "Bytes a file has.", path, registry=registry)
        self.read_lines = Counter("promtail_read_lines", "Lines read of a file.", path, registry=registry)
        self.files_active = Gauge("promtail_files_active_total", "Files that are followed.", registry=registry)
        self.targets_active = Gauge("promtail_targets_active_total", "Targets that have a path.", registry=registry)
        self.targets_failed = Counter(
            "promtail_targets_failed", "Targets that could not be followed.", ("reason",), registry=registry
        )
        self.encoded_bytes = Counter(
            "promtail_encoded_bytes", "Bytes of request bodies, compressed.", host, registry=registry
        )
        self.sent_bytes = Counter("promtail_sent_bytes", "Bytes of request bodies delivered.", host, registry=registry)
        self.sent_entries = Counter("promtail_sent_entries", "Entries delivered.", host, registry=registry)
        self.dropped_bytes = Counter(
            "promtail_dropped_bytes", "Bytes given up for good.", (*tenant, "reason"), registry=registry
        )
        self.dropped_entries = Counter(
            "promtail_dropped_entries", "Entries given up for good.", (*tenant, "reason"), registry=registry
        )
        self.mutated_entries = Counter(
            "promtail_mutated_entries", "Entries that were cut.", (*tenant, "reason"), registry=registry
        )
        self.mutated_bytes = Counter(
            "promtail_mutated_bytes", "Bytes cut off entries.", (*tenant, "reason"), registry=registry
        )
        self.batch_retries = Counter(
            "promtail_batch_retries", "Times a batch was sent again.", tenant, registry=registry
        )
        self.request_duration = Histogram(
            "promtail_request_duration_seconds", "Time of a push request.", ("status_code", "host"), registry=registry
        )
