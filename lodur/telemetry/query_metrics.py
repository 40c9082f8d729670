"""How many queries run and wait, how long they take and what they read, as dashboards for Loki name it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0)

BYTES_PER_S_BUCKETS = tuple(float(50_000_000 * 2**power) for power in range(10))
"""From what one slow disk gives to what many cores scan."""


class QueryMetrics:
    """What answered queries took: of logs or metrics (`type`), at an instant or over a span (`range`)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["type", "range"]
        self._seconds = Histogram(
            "loki_logql_querystats_latency_seconds",
            "Time of a query, waiting included.",
            labels,
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._bytes_per_s = Histogram(
            "loki_logql_querystats_bytes_processed_per_seconds",
            "Bytes of lines that a query looked at, over its time of work.",
            labels,
            buckets=BYTES_PER_S_BUCKETS,
            registry=registry,
        )

    def observe(self, *, kind: str, span: str, seconds: float, bytes_per_s: float) -> None:
        """Count a query that has been answered."""
        self._seconds.labels(kind, span).observe(seconds)
        self._bytes_per_s.labels(kind, span).observe(bytes_per_s)


class QueueCollector(Collector):
    """Asked when the metrics are."""

    def __init__(self, running: Callable[[], int], waiting: Callable[[], int]) -> None:
        self._running = running
        self._waiting = waiting

    def collect(self) -> Iterator[GaugeMetricFamily]:
        running, waiting = self._running(), self._waiting()
        yield GaugeMetricFamily("loki_query_scheduler_inflight_requests", "Queries that run.", value=running)
        yield GaugeMetricFamily("loki_query_scheduler_queue_length", "Queries that wait for a turn.", value=waiting)
        yield GaugeMetricFamily(
            "loki_query_frontend_queries_in_progress", "Queries that run or wait.", value=running + waiting
        )
