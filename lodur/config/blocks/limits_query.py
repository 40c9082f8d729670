"""`limits_config`, the limits on what is asked."""

from __future__ import annotations

import re

from lodur.config.blocks.reasons import (
    NO_CHUNKS,
    NO_RESULT_CACHE,
    NO_SHARDING,
    NOT_FOR_ONE_PROCESS,
    PATTERNS_ON_DEMAND,
)
from lodur.config.errors import BadValue, Problem
from lodur.config.kinds import BOOL, COUNT, DURATION, POSITIVE, SIZE, TEXT, TEXT_MAP, TEXTS, int_kind
from lodur.config.records import record_list
from lodur.config.schema import Entry, Schema, Setting, inert_keys
from lodur.config.values import Values
from lodur.model.limits import BlockedQuery, QueryLimits

QUERY_TYPES = ("metric", "filter", "limited")
"""What `types` of a blocked query may name."""

_PATTERN = Setting("pattern", TEXT, "", "The whole text of the query.")
_REGEX = Setting("regex", BOOL, "false", "`pattern` is a regular expression.")
_TYPES = Setting("types", TEXTS, "", "Some of metric, filter, limited.")
_HASH = Setting("hash", int_kind(0, 2**32 - 1), "0", "FNV-1 hash of the query's text.")
_TAGS = Setting("query_tags", TEXT_MAP, "{}", "Pairs of X-Query-Tags.")


def _blocked_query(values: Values) -> BlockedQuery:
    types = values.get(_TYPES)
    if unknown := [name for name in types if name not in QUERY_TYPES]:
        raise BadValue(Problem(0, f"unrecognized query type '{unknown[0]}', use some of {', '.join(QUERY_TYPES)}"))
    if values.get(_REGEX):
        try:
            re.compile(values.get(_PATTERN))
        except re.error as error:
            raise BadValue(Problem(0, f"error parsing regexp: {error}")) from error
    return BlockedQuery(
        values.get(_PATTERN), values.get(_REGEX), frozenset(types), values.get(_HASH), values.get(_TAGS)
    )


BLOCKED_QUERY = Schema.of((_PATTERN, _REGEX, _TYPES, _HASH, _TAGS), {"": "validation.BlockedQuery"})

ENTRIES_MAX = Setting(
    "limits_config.max_entries_limit_per_query",
    COUNT,
    "5000",
    "Largest `limit` of a query; 0 means no limit.",
    ("validation.max-entries-limit",),
)
LENGTH = Setting(
    "limits_config.max_query_length",
    DURATION,
    "721h",
    "Longest time span of a query; 0 means no limit.",
    ("store.max-query-length",),
)
LOOKBACK = Setting(
    "limits_config.max_query_lookback",
    DURATION,
    "0s",
    "How far back queries see; 0 means no limit.",
    ("querier.max-query-lookback",),
)
RANGE = Setting(
    "limits_config.max_query_range",
    DURATION,
    "0s",
    "Longest `[range]` in a query; 0 means no limit.",
    ("querier.max-query-range",),
)
SERIES = Setting(
    "limits_config.max_query_series",
    COUNT,
    "500",
    "Series in one answer; 0 means no limit.",
    ("querier.max-query-series",),
)
BYTES_READ = Setting(
    "limits_config.max_query_bytes_read",
    SIZE,
    "0B",
    "Raw bytes that a query may read; 0 means no limit.",
    ("frontend.max-query-bytes-read",),
)
PROCESS_BYTES_READ = Setting(
    "limits_config.max_querier_bytes_read",
    SIZE,
    "150GB",
    "Raw bytes that a query may read in one process; 0 means no limit.",
    ("frontend.max-querier-bytes-read",),
)
TIMEOUT = Setting(
    "limits_config.query_timeout",
    DURATION,
    "1m",
    "Longest time of a query; 0 means no limit. Keep it within `lodur.compactor.reader_grace`, or what it reads may be "
    "deleted.",
    ("querier.query-timeout",),
)
PARALLELISM = Setting(
    "limits_config.max_query_parallelism",
    POSITIVE,
    "32",
    "Threads that one query runs on, as far as `lodur.query.threads` has so many.",
    ("querier.max-query-parallelism",),
)
SPLIT = Setting(
    "limits_config.split_queries_by_interval",
    DURATION,
    "1h",
    "Queries are not split, but 0 evaluates metrics from the start of a query on, not at multiples of its step.",
    ("querier.split-queries-by-interval",),
)
TAILS = Setting(
    "limits_config.max_concurrent_tail_requests",
    COUNT,
    "10",
    "Tail requests of a tenant at the same time.",
    ("querier.max-concurrent-tail-requests",),
)
REQUIRED_LABELS = Setting("limits_config.required_labels", TEXTS, "[]", "Labels that stream selectors must name.")
MIN_LABELS = Setting("limits_config.minimum_labels_number", COUNT, "0", "Fewest matchers of a stream selector.")
BLOCKED = Setting(
    "limits_config.blocked_queries",
    record_list("blocked queries", BLOCKED_QUERY, _blocked_query),
    "[]",
    "Queries that are refused: `pattern`, `regex`, `types`, `hash`, `query_tags`.",
)
VOLUME = Setting(
    "limits_config.volume_enabled",
    BOOL,
    "true",
    "Answer volume queries.",
    ("limits.volume-enabled",),
)
VOLUME_SERIES = Setting(
    "limits_config.volume_max_series",
    POSITIVE,
    "1000",
    "Series in a volume answer.",
    ("limits.volume-max-series",),
)
VARIANTS = Setting("limits_config.enable_multi_variant_queries", BOOL, "false", "Allow `variants(...)`.")
SHARD_AGGREGATIONS = Setting(
    "limits_config.shard_aggregations", TEXTS, "[]", "`approx_topk` in this list allows the function of that name."
)

ENTRIES: tuple[Entry, ...] = (
    ENTRIES_MAX,
    LENGTH,
    LOOKBACK,
    RANGE,
    SERIES,
    BYTES_READ,
    PROCESS_BYTES_READ,
    TIMEOUT,
    PARALLELISM,
    SPLIT,
    TAILS,
    REQUIRED_LABELS,
    MIN_LABELS,
    BLOCKED,
    VOLUME,
    VOLUME_SERIES,
    VARIANTS,
    SHARD_AGGREGATIONS,
    *inert_keys(
        "limits_config",
        NO_SHARDING,
        "tsdb_max_query_parallelism split_metadata_queries_by_interval "
        "split_recent_metadata_queries_by_interval recent_metadata_query_window "
        "split_instant_metric_queries_by_interval split_ingester_queries_by_interval tsdb_max_bytes_per_shard "
        "tsdb_sharding_strategy min_sharding_lookback tsdb_precompute_chunks",
    ),
    *inert_keys(
        "limits_config",
        NO_CHUNKS,
        "max_chunks_per_query cardinality_limit max_streams_matchers_per_query query_ready_index_num_days",
    ),
    *inert_keys(
        "limits_config",
        NO_RESULT_CACHE,
        "max_cache_freshness_per_query max_metadata_cache_freshness max_stats_cache_freshness",
    ),
    *inert_keys(
        "limits_config",
        NOT_FOR_ONE_PROCESS,
        "max_queriers_per_tenant max_query_capacity index_gateway_shard_size debug_engine_tasks debug_engine_streams",
    ),
    *inert_keys(
        "limits_config",
        PATTERNS_ON_DEMAND,
        "metric_aggregation_enabled pattern_persistence_enabled pattern_rate_threshold "
        "pattern_ingester_tokenizable_json_fields_default pattern_ingester_tokenizable_json_fields_append "
        "pattern_ingester_tokenizable_json_fields_delete",
    ),
)


def query_limits(values: Values) -> QueryLimits:
    """The limits on queries."""
    return QueryLimits(
        entries_max=values.get(ENTRIES_MAX),
        length_max_ns=values.get(LENGTH),
        lookback_max_ns=values.get(LOOKBACK),
        window_max_ns=values.get(RANGE),
        series_max=values.get(SERIES),
        bytes_read_max=values.get(BYTES_READ),
        process_bytes_read_max=values.get(PROCESS_BYTES_READ),
        timeout_ns=values.get(TIMEOUT),
        steps_aligned=values.get(SPLIT) > 0,
        parallelism_max=values.get(PARALLELISM),
        tail_requests_max=values.get(TAILS),
        required_label_names=values.get(REQUIRED_LABELS),
        matchers_min=values.get(MIN_LABELS),
        blocked=values.get(BLOCKED),
        volume_enabled=values.get(VOLUME),
        volume_series_max=values.get(VOLUME_SERIES),
        multi_variant_enabled=values.get(VARIANTS),
        approx_topk_enabled="approx_topk" in values.get(SHARD_AGGREGATIONS),
    )
