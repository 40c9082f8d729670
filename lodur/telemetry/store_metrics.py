"""What object stores and the caches before them do; names that begin with `loki_` are those of Loki's dashboards."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REQUEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class StoreMetrics:
    """Counts of one process. Operations are `get`, `get_range`, `upload`, `delete` and `iter`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "loki_objstore_bucket_operation_duration_seconds",
            "Time of an operation on a remote object store, its retries included.",
            ["operation"],
            buckets=REQUEST_BUCKETS_S,
            registry=registry,
        )
        self.failures = Counter(
            "loki_objstore_bucket_operation_failures_total",
            "Operations on a remote object store that failed after all retries.",
            ["operation"],
            registry=registry,
        )
        self.requests = Counter(
            "lodur_object_store_requests_total",
            "Requests that operations on a remote object store were made of; retries are not counted.",
            ["operation"],
            registry=registry,
        )
        self.read_bytes = Counter(
            "lodur_object_store_read_bytes_total", "Bytes read from remote object stores.", registry=registry
        )
        self.hedged = Counter(
            "lodur_object_store_hedged_reads_total",
            "Slow reads that were made once more beside the first attempt.",
            registry=registry,
        )
        self.hedges_won = Counter(
            "lodur_object_store_hedged_reads_won_total",
            "Of these, reads that a later attempt answered.",
            registry=registry,
        )


class CacheMetrics:
    """Counts of all caches, by their name: `metadata`, `ranges`, `results`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, doc: str) -> Counter:
            return Counter(name, doc, ["cache"], registry=registry)

        self.hits = counter("lodur_cache_hits_total", "What was asked of a cache and found.")
        self.misses = counter("lodur_cache_misses_total", "What was asked of a cache and not found.")
        self.evicted = counter("lodur_cache_evictions_total", "What a cache let go to make room.")
        self.damaged = counter(
            "lodur_cache_damaged_total", "What a cache had and could not use: damaged or half written."
        )
        self.bytes = Gauge("lodur_cache_bytes", "What a cache holds.", ["cache"], registry=registry)
        self.entries = Gauge("lodur_cache_entries", "How many things a cache holds.", ["cache"], registry=registry)
