"""Live tails: how many there are, and what their readers were too slow for."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class TailMetrics:
    """Counted when a tail ends, so that nothing is counted a line at a time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge("lodur_tails", "Live tails that are open.", registry=registry)
        self.dropped_entries = Counter(
            "lodur_tail_dropped_entries_total",
            "Entries that tails, ended since, found more than their readers took.",
            registry=registry,
        )
