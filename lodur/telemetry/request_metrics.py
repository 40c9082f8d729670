"""How long requests take, as `loki_request_duration_seconds`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0)


class RequestMetrics:
    """Times by method, route and status code."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "loki_request_duration_seconds",
            "Time (in seconds) spent serving HTTP requests.",
            ["method", "route", "status_code", "ws"],
            buckets=BUCKETS_S,
            registry=registry,
        )
        self.panics = Counter(
            "loki_panic_total", "Requests that failed for an error of the program.", registry=registry
        )
        self._in_flight = Gauge(
            "loki_inflight_requests", "Requests being served.", ["method", "route"], registry=registry
        )
        self.held = Gauge(
            "lodur_requests_held", "Requests that wait because their tenant sends very many.", registry=registry
        )
        self.turned_away = Counter(
            "lodur_requests_turned_away_total",
            "Requests refused because too many of their tenant wait.",
            registry=registry,
        )

    @contextmanager
    def serving(self, *, method: str, route: str) -> Iterator[None]:
        """A request that is being served."""
        gauge = self._in_flight.labels(method, route)
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()

    def observe(self, *, method: str, route: str, status: int, seconds: float, is_socket: bool = False) -> None:
        """Count a request that has been answered, or a WebSocket that is closed."""
        self._seconds.labels(method, route, str(status), "true" if is_socket else "false").observe(seconds)
