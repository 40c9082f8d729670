"""What flushes count; those that begin with `loki_` are what dashboards for Loki read of its ingesters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

STORED_BYTES_BUCKETS = tuple(float(2**power) for power in range(12, 32, 2))
STORED_ROWS_BUCKETS = tuple(float(4**power) for power in range(3, 14))

UTILIZATION_BUCKETS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
COMPRESSION_BUCKETS = tuple(0.75 + 2.0 * step for step in range(10))
AGE_BUCKETS_S = (60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 36000.0)

FLUSH_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Flushed:
    """A flush that succeeded."""

    tenant: str
    reason: str
    rows: int
    raw_bytes: int
    """Of lines and metadata."""
    written_bytes: int
    """Of the segments."""
    fill_ratio: float
    """Raw bytes over those at which a head is full."""
    age_s: float
    """Of the oldest row in memory."""
    took_s: float


class FlushMetrics:
    """Counters of all flushes of a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, doc: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(name, doc, labels, registry=registry)

        def histogram(name: str, doc: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, doc, buckets=buckets, registry=registry)

        self.flushed = counter(
            "loki_ingester_chunks_flushed_total", "Generations of rows flushed to segments.", ["reason"]
        )
        self.queue = Gauge("loki_ingester_flush_queue_length", "Tenants that are being flushed.", registry=registry)
        self.failures = counter("lodur_flush_failures_total", "Flushes that failed and are made again.")
        self.written_bytes = counter("lodur_flush_bytes_total", "Bytes of segments written by flushes.")
        self.seconds = Histogram(
            "lodur_flush_duration_seconds", "Time of a flush.", buckets=FLUSH_BUCKETS_S, registry=registry
        )
        self.stored = counter("loki_ingester_chunks_stored_total", "Generations of rows stored.", ["tenant"])
        self.stored_bytes = Histogram(
            "loki_ingester_chunk_size_bytes",
            "Bytes of what a flush stored.",
            buckets=STORED_BYTES_BUCKETS,
            registry=registry,
        )
        self.stored_rows = Histogram(
            "loki_ingester_chunk_entries",
            "Entries that a flush stored.",
            buckets=STORED_ROWS_BUCKETS,
            registry=registry,
        )
        self.stored_size = counter(
            "loki_ingester_chunk_stored_bytes_total", "Bytes of segments that flushes wrote.", ["tenant"]
        )
        self.stored_fill = histogram(
            "loki_ingester_chunk_utilization",
            "How full a head was that was flushed: its bytes over those at which it is.",
            UTILIZATION_BUCKETS,
        )
        self.stored_ratio = histogram(
            "loki_ingester_chunk_compression_ratio",
            "Bytes of lines and metadata over those of the segments that a flush made of them.",
            COMPRESSION_BUCKETS,
        )
        self.stored_age = histogram(
            "loki_ingester_chunk_age_seconds", "How long the oldest row had been in memory.", AGE_BUCKETS_S
        )

    def count(self, flushed: Flushed) -> None:
        """Count a flush that succeeded."""
        self.flushed.labels(flushed.reason).inc()
        self.written_bytes.inc(flushed.written_bytes)
        self.seconds.observe(flushed.took_s)
        self.stored.labels(flushed.tenant).inc()
        self.stored_size.labels(flushed.tenant).inc(flushed.written_bytes)
        self.stored_bytes.observe(flushed.written_bytes)
        self.stored_rows.observe(flushed.rows)
        self.stored_fill.observe(flushed.fill_ratio)
        self.stored_ratio.observe(flushed.raw_bytes / flushed.written_bytes if flushed.written_bytes else 0.0)
        self.stored_age.observe(flushed.age_s)
