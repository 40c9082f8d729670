"""`querier`, `frontend`, `query_range` and `pattern_ingester`: how queries are run."""

from __future__ import annotations

from lodur.config.blocks.extras import QUERY_MEMORY, THREADS
from lodur.config.blocks.reasons import (
    NO_GRPC,
    NO_RESULT_CACHE,
    NO_SHARDING,
    NOT_FOR_ONE_PROCESS,
    PATTERNS_ON_DEMAND,
)
from lodur.config.kinds import BOOL, DURATION, POSITIVE, POSITIVE_DURATION, SIGNED_DURATION
from lodur.config.schema import Entry, RemovedKey, Setting, inert_keys
from lodur.config.values import Values
from lodur.model.limits import MIB
from lodur.query.options import QuerierOptions

TYPE_NAMES = {
    "querier": "querier.Config",
    "querier.engine": "logql.EngineOpts",
    "frontend": "lokifrontend.Config",
    "query_range": "queryrange.Config",
    "query_range.results_cache": "queryrange.ResultsCacheConfig",
    "query_range.results_cache.cache": "cache.Config",
    "query_range.results_cache.cache.embedded_cache": "cache.EmbeddedCacheConfig",
    "pattern_ingester": "pattern.Config",
}

TAIL_MAX = Setting("querier.tail_max_duration", DURATION, "1h", "A live tail is closed after this; 0 lets it be.")
CONCURRENT = Setting("querier.max_concurrent", POSITIVE, "4", "Queries that run at the same time; others wait.")
MULTI_TENANT = Setting(
    "querier.multi_tenant_queries_enabled", BOOL, "false", "Accept several tenants, joined by `|`, in one query."
)
REQUEST_LIMITS = Setting(
    "querier.per_request_limits_enabled",
    BOOL,
    "false",
    "Hold queries to the stricter limits of their header `X-Loki-Query-Limits`.",
)
QUEUED = Setting(
    "frontend.max_outstanding_per_tenant",
    POSITIVE,
    "2048",
    "Queries of a tenant that may wait; more are answered with 429.",
    ("querier.max-outstanding-requests-per-tenant",),
)
LOG_SLOW = Setting(
    "frontend.log_queries_longer_than",
    SIGNED_DURATION,
    "0s",
    "Log queries that took longer; 0 logs none, below 0 logs all.",
)
CACHE_RESULTS = Setting(
    "query_range.cache_results",
    BOOL,
    "false",
    "Keep series of range queries over segments in memory. `Cache-Control: no-cache` goes past them.",
)
_RESULTS = "query_range.results_cache.cache"
RESULTS_MB = Setting(
    f"{_RESULTS}.embedded_cache.max_size_mb", POSITIVE, "100", "MiB of series that are kept, where any are."
)
RESULTS_TTL = Setting(f"{_RESULTS}.embedded_cache.ttl", POSITIVE_DURATION, "1h", "How long they are kept.")
PATTERNS = Setting(
    "pattern_ingester.enabled",
    BOOL,
    "false",
    "Answer which patterns lines have; they are found when they are asked for.",
)

ENTRIES: tuple[Entry, ...] = (
    TAIL_MAX,
    CONCURRENT,
    MULTI_TENANT,
    REQUEST_LIMITS,
    *inert_keys(
        "querier",
        "rows that are not yet in a segment are always read",
        "query_ingesters_within query_store_only query_ingester_only extra_query_delay query_partition_ingesters",
    ),
    *inert_keys("querier.engine", "instant log queries do not look back", "max_look_back_period"),
    *inert_keys("querier.engine", "queries have one way to run", "max_count_min_sketch_heap_size enable_v2_engine"),
    RemovedKey("querier.query_timeout", "use limits_config.query_timeout"),
    RemovedKey("querier.engine.timeout", "use limits_config.query_timeout"),
    QUEUED,
    LOG_SLOW,
    *inert_keys(
        "frontend",
        NOT_FOR_ONE_PROCESS,
        "downstream_url tail_proxy_url tail_tls_config scheduler_address scheduler_dns_lookup_period "
        "scheduler_worker_concurrency address port instance_interface_names instance_enable_ipv6 "
        "graceful_shutdown_timeout",
    ),
    *inert_keys("frontend", NO_GRPC, "grpc_client_config"),
    *inert_keys("frontend", "it is the form of messages between Loki's processes", "encoding"),
    *inert_keys("frontend", "queries always report statistics", "query_stats_enabled"),
    *inert_keys("frontend", NO_SHARDING, "querier_forget_delay"),
    *inert_keys("frontend", "responses are JSON", "support_parquet_encoding"),
    RemovedKey("frontend.match_max_concurrency", "delete it, querier.max_concurrent holds"),
    CACHE_RESULTS,
    RESULTS_MB,
    RESULTS_TTL,
    *inert_keys(f"{_RESULTS}.embedded_cache", "cache_results turns it on", "enabled"),
    *inert_keys(f"{_RESULTS}.embedded_cache", "the size bounds it", "max_size_items purge_interval"),
    *inert_keys(
        _RESULTS,
        "results are kept in the memory of the process, under keys that cannot be out of date",
        "memcached memcached_client redis default_validity background async_cache_write_back_concurrency "
        "async_cache_write_back_buffer_size prefix",
    ),
    *inert_keys("query_range.results_cache", "results are kept as they are", "compression"),
    *inert_keys(
        "query_range",
        NO_RESULT_CACHE,
        "cache_index_stats_results index_stats_results_cache cache_volume_results "
        "volume_results_cache cache_series_results series_results_cache cache_label_results label_results_cache "
        "cache_instant_metric_results instant_metric_results_cache instant_metric_query_split_align",
    ),
    *inert_keys("query_range", NO_SHARDING, "parallelise_shardable_queries shard_aggregations max_retries"),
    *inert_keys("query_range", "metric queries are always aligned with their step", "align_queries_with_step"),
    PATTERNS,
    *inert_keys(
        "pattern_ingester",
        PATTERNS_ON_DEMAND,
        "lifecycler max_clusters max_eviction_ratio max_allowed_line_length retain_for max_chunk_age "
        "pattern_sample_interval volume_threshold metric_aggregation pattern_persistence",
    ),
    RemovedKey("query_range.split_queries_by_interval", "use limits_config.split_queries_by_interval"),
)


def querier_options(values: Values, cores: int) -> QuerierOptions:
    """The query engine's options on a machine with so many cores."""
    return QuerierOptions(
        threads=values.get(THREADS) or max(1, cores),
        concurrent_queries_max=values.get(CONCURRENT),
        queued_queries_max=values.get(QUEUED),
        multi_tenant_enabled=values.get(MULTI_TENANT),
        request_limits_enabled=values.get(REQUEST_LIMITS),
        patterns_enabled=values.get(PATTERNS),
        tail_duration_max_s=values.get(TAIL_MAX) / 1e9,
        log_slower_than_s=values.get(LOG_SLOW) / 1e9,
        memory_max_bytes=values.get(QUERY_MEMORY),
        results_max_bytes=values.get(RESULTS_MB) * MIB if values.get(CACHE_RESULTS) else 0,
        results_ttl_s=values.get(RESULTS_TTL) / 1e9,
    )
