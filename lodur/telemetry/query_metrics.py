"""How many queries run and wait, under the names that dashboards for Loki read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


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
