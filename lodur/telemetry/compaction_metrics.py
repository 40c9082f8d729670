"""Counters of the compactor; those that begin with `loki_` are what alerts for Loki's compactor look at."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from lodur.telemetry.delete_metrics import DeleteMetrics

MERGE_BUCKETS_S = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)


class CompactionMetrics:
    """What the compactor counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, doc: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(name, doc, labels, registry=registry)

        def gauge(name: str, doc: str) -> Gauge:
            return Gauge(name, doc, registry=registry)

        self.deletes = DeleteMetrics(registry)
        self.running = gauge("loki_boltdb_shipper_compactor_running", "1 where segments are compacted.")
        self.last_success = gauge(
            "loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds",
            "When a run of the compactor last ended without a failure.",
        )
        self.operations = counter(
            "loki_boltdb_shipper_compact_tables_operation_total",
            "Runs of the compactor, by how they ended.",
            ["status"],
        )
        self.operation_seconds = gauge(
            "loki_boltdb_shipper_compact_tables_operation_duration_seconds", "How long its last good run took."
        )
        self.retentions = counter(
            "loki_compactor_apply_retention_operation_total",
            "Runs that looked for expired entries, by how they ended.",
            ["status"],
        )
        self.retention_seconds = gauge(
            "loki_compactor_apply_retention_operation_duration_seconds", "How long the last good one of these took."
        )
        self.retention_success = gauge(
            "loki_compactor_apply_retention_last_successful_run_timestamp_seconds", "When that one ended."
        )
        self.rounds = counter("lodur_compaction_rounds_total", "Runs of the compactor.")
        self.failures = counter("lodur_compaction_failures_total", "Days of a tenant that could not be compacted.")
        self.compactions = counter("lodur_compactions_total", "Segments rewritten or dropped together.", ["reason"])
        self.lost_races = counter("lodur_compaction_lost_total", "Merges that another process had made meanwhile.")
        self.read_bytes = counter("lodur_compaction_read_bytes_total", "Bytes of segments that were merged.")
        self.written_bytes = counter("lodur_compaction_written_bytes_total", "Bytes of segments written by merges.")
        self.copied_rows = counter("lodur_compaction_copied_rows_total", "Rows merged by copying compressed blocks.")
        self.repeated_rows = counter("lodur_compaction_repeated_rows_total", "Rows that were there twice.", ["tenant"])
        self.expired_rows = counter("lodur_retention_expired_rows_total", "Rows dropped as expired.", ["tenant"])
        self.deleted = counter("lodur_segments_deleted_total", "Objects of segments that were live no more.")
        self.seconds = Histogram(
            "lodur_compaction_duration_seconds", "Time of a merge.", buckets=MERGE_BUCKETS_S, registry=registry
        )
        self.pending = gauge("lodur_compaction_pending_days", "Days that the present run has not looked at yet.")
        self.segments = gauge("lodur_segments", "Live segments of all tenants.")
        self.segment_bytes = gauge("lodur_segment_bytes", "Bytes of all live segments.")
        self.write_amplification = gauge(
            "lodur_write_amplification", "How often the lines of live segments were written at most, flush included."
        )

    def ran(self, *, is_good: bool, applied_retention: bool, ended_s: float, took_s: float) -> None:
        """Count a run of the compactor: all days of all tenants, expired entries too where `applied_retention`."""
        status = "success" if is_good else "failure"
        self.rounds.inc()
        self.operations.labels(status).inc()
        if applied_retention:
            self.retentions.labels(status).inc()
        if not is_good:
            return
        self.last_success.set(ended_s)
        self.operation_seconds.set(took_s)
        if applied_retention:
            self.retention_success.set(ended_s)
            self.retention_seconds.set(took_s)
