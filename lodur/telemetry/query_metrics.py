"""How many queries run and wait, how long they take and what they read, as dashboards for Loki name it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0)

BYTES_PER_S_BUCKETS = tuple(float(50_000_000 * 2**power) for power in range(10))
"""From what one slow disk gives to what many cores scan."""


SLOW_S = 10.0
"""What dashboards for Loki call slow takes longer."""

_ANSWERED, _FAST, _SLOW, _NOT_SHARDED = "200", "fast", "slow", "false"


@dataclass(frozen=True, slots=True)
class QueryCost:
    """What an answered query took."""

    kind: str
    """`metric`, `filter` or `limited`."""
    span: str
    """`instant` or `range`."""
    queue_s: float
    work_s: float
    read_bytes: int
    blocks_read: int


class QueryMetrics:
    """What answered queries took: of logs or metrics (`type`), at an instant or over a span (`range`)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["status_code", "type", "range"]
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
            [*labels, "latency_type", "sharded"],
            buckets=BYTES_PER_S_BUCKETS,
            registry=registry,
        )
        self._blocks_read = Counter(
            "loki_logql_querystats_downloaded_chunk_total",
            "Blocks of segments that queries read.",
            labels,
            registry=registry,
        )
        self._queue_seconds = Histogram(
            "loki_query_scheduler_queue_duration_seconds",
            "How long queries that were answered had waited for their turn.",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )

    def observe(self, cost: QueryCost) -> None:
        """Count a query that has been answered."""
        labels = (_ANSWERED, cost.kind, cost.span)
        seconds = cost.queue_s + cost.work_s
        latency = _SLOW if seconds > SLOW_S else _FAST
        rate = cost.read_bytes / cost.work_s if cost.work_s > 0 else 0.0
        self._seconds.labels(*labels).observe(seconds)
        self._bytes_per_s.labels(*labels, latency, _NOT_SHARDED).observe(rate)
        self._blocks_read.labels(*labels).inc(cost.blocks_read)
        self._queue_seconds.observe(cost.queue_s)


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
