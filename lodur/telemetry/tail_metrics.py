"""Live tails: how many there are, and what their readers were too slow for."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

LOKI_NAME = "loki_querier_tail_active"


class TailMetrics:
    """Counted when a tail ends, so that nothing is counted a line at a time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = tuple(
            Gauge(name, "Live tails that are open.", registry=registry) for name in ("lodur_tails", LOKI_NAME)
        )
        self.dropped_entries = Counter(
            "lodur_tail_dropped_entries_total",
            "Entries that tails, ended since, found more than their readers took.",
            registry=registry,
        )

    def opened(self) -> None:
        """One more is open."""
        for gauge in self._open:
            gauge.inc()

    def closed(self) -> None:
        """One has ended."""
        for gauge in self._open:
            gauge.dec()
