"""The top level, and the blocks that have no effect as a whole."""

from __future__ import annotations

from lodur.config.blocks.reasons import (
    NO_BLOOMS,
    NO_CHUNK_CACHE,
    NO_GRPC,
    NO_KAFKA,
    NO_RING,
    NOT_FOR_ONE_PROCESS,
)
from lodur.config.kinds import BOOL, TEXTS
from lodur.config.schema import Entry, InertKey, RemovedKey, Setting, inert_keys

TYPE_NAMES = {
    "": "loki.ConfigWrapper",
    "compactor": "compactor.Config",
    "limits_config": "validation.Limits",
    "chunk_store_config": "config.ChunkStoreConfig",
}

TARGET = Setting(
    "target", TEXTS, "all", "Roles of this process: `all`, `write`, `read`, `backend`, or Loki's module names."
)
AUTH_ENABLED = Setting(
    "auth_enabled", BOOL, "true", "Requests must name their tenant in X-Scope-OrgID.", ("auth.enabled",)
)

TRACING = Setting(
    "tracing.enabled",
    BOOL,
    "true",
    "Send traces of requests by OTLP to where `OTEL_EXPORTER_OTLP_ENDPOINT` says; without it there are none.",
)


def _block(path: str, reason: str, keys: str) -> InertKey:
    return InertKey(path, reason, tuple(keys.split()))


ENTRIES: tuple[Entry, ...] = (
    TARGET,
    AUTH_ENABLED,
    *inert_keys("", "use server.http_path_prefix", "http_prefix"),
    *inert_keys("", "memory is not managed that way", "ballast_bytes"),
    *inert_keys("", "the server stops at once when asked, and answers what it has begun", "shutdown_delay"),
    *inert_keys("", "metrics have the names that dashboards know", "metrics_namespace"),
    *inert_keys("", "every limit is published", "tenant_limits_allow_publish"),
    InertKey("internal_server", "there is one HTTP server"),
    InertKey("ui", "the web interface has no settings"),
    InertKey("query_engine", "queries have one way to run"),
    _block(
        "query_scheduler", NOT_FOR_ONE_PROCESS, "max_outstanding_requests_per_tenant use_scheduler_ring scheduler_ring"
    ),
    _block(
        "frontend_worker",
        NOT_FOR_ONE_PROCESS,
        "frontend_address scheduler_address dns_lookup_duration grpc_client_config",
    ),
    _block("ingester_client", NO_GRPC, "pool_config remote_timeout grpc_client_config"),
    _block("compactor_grpc_client", NO_GRPC, ""),
    _block("index_gateway", NOT_FOR_ONE_PROCESS, "mode ring"),
    _block("bloom_build", NO_BLOOMS, "enabled planner builder"),
    _block("bloom_gateway", NO_BLOOMS, "enabled client"),
    _block(
        "chunk_store_config",
        NO_CHUNK_CACHE,
        "chunk_cache_config chunk_cache_config_l2 l2_chunk_cache_handoff write_dedupe_cache_config "
        "cache_lookups_older_than",
    ),
    RemovedKey("chunk_store_config.max_look_back_period", "use limits_config.max_query_lookback"),
    RemovedKey("*.enable_fifocache", "use embedded_cache"),
    RemovedKey("bloom_compactor", "use bloom_build"),
    _block(
        "table_manager",
        "retention has been limits_config.retention_period since Loki 2",
        "retention_deletes_enabled retention_period",
    ),
    _block(
        "memberlist",
        NO_RING,
        "join_members node_name bind_addr bind_port advertise_addr advertise_port abort_if_cluster_join_fails "
        "gossip_interval rejoin_interval left_ingesters_timeout dead_node_reclaim_time cluster_label",
    ),
    _block("kafka_config", NO_KAFKA, ""),
    _block("dataobj", "segments are the only form of storage", ""),
    _block("ingest_limits", NO_RING, ""),
    _block("ingest_limits_frontend", NO_RING, ""),
    _block("ingest_limits_frontend_client", NO_RING, ""),
    _block(
        "operational_config",
        "the request log has one form",
        "log_stream_creation log_push_request log_push_request_streams log_duplicate_metrics "
        "log_duplicate_stream_info limited_log_push_errors",
    ),
    TRACING,
    _block("analytics", "nothing is ever reported to anybody", "reporting_enabled usage_stats_url proxy_url"),
)
