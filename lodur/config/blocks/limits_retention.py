"""`limits_config`, the limits on retention, rules and storage; and `compactor`, which enforces retention in Loki.

What Loki checks at start-up is checked, so that a file that it refuses is refused. What the compactor does besides has
no key in Loki: it is in `lodur.compactor` (see `extras`).
"""

from __future__ import annotations

from lodur.config.blocks.extras import COLD_AFTER, COLD_LEVEL, READER_GRACE, SETTLED_AFTER, TARGET_BYTES
from lodur.config.blocks.reasons import NO_BLOOMS
from lodur.config.blocks.stream_selectors import PRIORITY, SELECTOR, chosen_by
from lodur.config.errors import ConfigError
from lodur.config.kinds import BOOL, COUNT, DURATION, POSITIVE, POSITIVE_DURATION, TEXT, choice
from lodur.config.records import record_list
from lodur.config.schema import Entry, RemovedKey, Schema, Setting, inert_keys
from lodur.config.values import Values
from lodur.model.durations import NS_PER_HOUR, format_prometheus_duration
from lodur.model.limits import DeletionMode, RuleLimits
from lodur.store.compaction.options import CompactionPolicy, CompactorOptions, RetentionPeriods, StreamRetention
from lodur.store.delete_service import DeleteOptions

RETENTION_LEAST_NS = 24 * NS_PER_HOUR
"""Shortest retention of streams that Loki accepts."""

_PERIOD = Setting("period", DURATION, "0s", "How long they are kept.")


def _stream_retention(values: Values) -> StreamRetention:
    return StreamRetention(chosen_by(values), values.get(PRIORITY), values.get(_PERIOD))


STREAM_RETENTION = Schema.of((SELECTOR, PRIORITY, _PERIOD), {"": "validation.StreamRetention"})

RETENTION = Setting(
    "limits_config.retention_period",
    DURATION,
    "0s",
    "How long entries are kept; 0 means for ever.",
    ("store.retention",),
)
RETENTION_STREAM = Setting(
    "limits_config.retention_stream",
    record_list("stream periods", STREAM_RETENTION, _stream_retention),
    "[]",
    "Other periods for some streams: `selector`, `priority`, `period`.",
)
DELETION_MODE = Setting(
    "limits_config.deletion_mode",
    choice("disabled", "filter-only", "filter-and-delete"),
    "filter-and-delete",
    "What delete requests do: `disabled` refuses them, `filter-only` hides entries and keeps them stored, "
    "`filter-and-delete` removes them too.",
    ("compactor.deletion-mode",),
)
RULE_GROUPS = Setting(
    "limits_config.ruler_max_rule_groups_per_tenant",
    COUNT,
    "0",
    "Rule groups of a tenant; 0 means no limit.",
    ("ruler.max-rule-groups-per-tenant",),
)
RULES_IN_GROUP = Setting(
    "limits_config.ruler_max_rules_per_rule_group",
    COUNT,
    "0",
    "Rules in one group; 0 means no limit.",
    ("ruler.max-rules-per-rule-group",),
)
RETENTION_ENABLED = Setting(
    "compactor.retention_enabled",
    BOOL,
    "false",
    "Drop what is older than its retention period, and take delete requests. Without it everything is kept.",
)
RETENTION_DELAY = Setting(
    "compactor.retention_delete_delay",
    DURATION,
    "2h",
    "How long the objects of segments with expired entries stay in the store after these were dropped or written anew; "
    "at least `lodur.compactor.reader_grace`.",
)
RETENTION_INTERVAL = Setting(
    "compactor.apply_retention_interval",
    DURATION,
    "0s",
    "How often expired entries are looked for; 0s: at each compaction.",
)
INTERVAL = Setting(
    "compactor.compaction_interval",
    POSITIVE_DURATION,
    "10m",
    "How often segments are looked at for merging.",
)
PARALLELISM = Setting(
    "compactor.max_compaction_parallelism",
    POSITIVE,
    "1",
    "Days, of whichever tenants, that are compacted at the same time.",
)
DELETE_STORE = Setting(
    "compactor.delete_request_store",
    TEXT,
    "",
    "Must be set where retention is enabled. A kind of store, or the name of a named one (anything else is "
    "an error, with retention off too); whatever it names, delete requests are kept in the first period's store.",
)
DELETE_CANCEL_PERIOD = Setting(
    "compactor.delete_request_cancel_period",
    DURATION,
    "24h",
    "How long a delete request waits before its entries are removed; until then it can be cancelled.",
)
DELETE_MAX_INTERVAL = Setting(
    "compactor.delete_max_interval",
    DURATION,
    "24h",
    "Largest `max_interval` that a delete request may ask for. Requests are not divided by time here.",
)

ENTRIES: tuple[Entry, ...] = (
    RETENTION,
    RETENTION_STREAM,
    DELETION_MODE,
    RULE_GROUPS,
    RULES_IN_GROUP,
    *inert_keys(
        "limits_config",
        NO_BLOOMS,
        "bloom_creation_enabled bloom_gateway_enable_filtering bloom_gateway_shard_size "
        "bloom_gateway_cache_key_interval bloom_compactor_shard_size bloom_build_max_builders "
        "bloom_build_task_max_retries bloom_builder_response_timeout bloom_split_series_keyspace_by "
        "bloom_planning_strategy bloom_task_target_series_chunk_size bloom_block_encoding "
        "bloom_prefetch_blocks bloom_max_block_size bloom_max_bloom_size bloom_ngram_length bloom_ngram_skip "
        "bloom_false_positive_rate",
    ),
    *inert_keys("limits_config", "deletion_mode decides", "allow_deletes"),
    *inert_keys(
        "limits_config",
        "encryption is chosen for the whole store, in storage_config",
        "s3_sse_type s3_sse_kms_key_id s3_sse_kms_encryption_context",
    ),
    RemovedKey("limits_config.enforce_metric_name", "delete it"),
    RETENTION_ENABLED,
    RETENTION_DELAY,
    RETENTION_INTERVAL,
    INTERVAL,
    PARALLELISM,
    DELETE_STORE,
    DELETE_CANCEL_PERIOD,
    DELETE_MAX_INTERVAL,
    *inert_keys(
        "compactor",
        "delete requests are objects beside the segments, and all that are due are carried out together",
        "delete_request_store_key_prefix delete_request_store_db_type delete_batch_size",
    ),
    *inert_keys(
        "compactor",
        "there are no index tables: segments are dropped and rewritten one by one",
        "retention_delete_worker_count retention_table_timeout retention_backoff_config skip_latest_n_tables "
        "working_directory upload_parallelism tables_to_compact",
    ),
    *inert_keys(
        "compactor",
        "processes divide the work by claims in the manifests",
        "compactor_ring horizontal_scaling_mode worker_config jobs_config",
    ),
    RemovedKey("compactor.shared_store", "use compactor.delete_request_store"),
    RemovedKey("compactor.deletion_mode", "use limits_config.deletion_mode"),
)


def check_retention(values: Values) -> None:
    """What Loki checks of these blocks when it starts. Raises ConfigError."""
    if values.get(RETENTION_ENABLED) and not values.get(DELETE_STORE):
        raise ConfigError(
            "CONFIG ERROR: invalid compactor config: "
            "compactor.delete-request-store should be configured when retention is enabled"
        )
    check_stream_periods(values)


def check_stream_periods(values: Values) -> None:
    """Raises ConfigError where streams are to be kept for less than Loki keeps any."""
    for stream in values.get(RETENTION_STREAM):
        if stream.period_ns < RETENTION_LEAST_NS:
            was = format_prometheus_duration(stream.period_ns)
            raise ConfigError(f"CONFIG ERROR: invalid limits_config config: retention period must be >= 24h was {was}")


def retention_periods(values: Values) -> RetentionPeriods:
    """How long entries of a tenant are kept."""
    return RetentionPeriods(values.get(RETENTION), values.get(RETENTION_STREAM))


def rule_limits(values: Values) -> RuleLimits:
    """The limits on rules."""
    return RuleLimits(groups_max=values.get(RULE_GROUPS), rules_per_group_max=values.get(RULES_IN_GROUP))


def deletion_mode(values: Values) -> DeletionMode:
    """What requests to delete do."""
    return DeletionMode(values.get(DELETION_MODE))


def delete_options(values: Values) -> DeleteOptions:
    """How requests to delete may be made and cancelled."""
    return DeleteOptions(
        enabled=values.get(RETENTION_ENABLED),
        cancel_period_ns=values.get(DELETE_CANCEL_PERIOD),
        max_interval_ns=values.get(DELETE_MAX_INTERVAL),
    )


def compactor_options(values: Values) -> CompactorOptions:
    """What the compactor is told."""
    return CompactorOptions(
        interval_ns=values.get(INTERVAL),
        retention_interval_ns=values.get(RETENTION_INTERVAL),
        parallelism=values.get(PARALLELISM),
        retention_enabled=values.get(RETENTION_ENABLED),
        retention_delete_delay_ns=values.get(RETENTION_DELAY),
        delete_cancel_period_ns=values.get(DELETE_CANCEL_PERIOD),
        reader_grace_ns=values.get(READER_GRACE),
        policy=CompactionPolicy(
            target_bytes=values.get(TARGET_BYTES),
            settled_after_ns=values.get(SETTLED_AFTER),
            cold_after_ns=values.get(COLD_AFTER),
            cold_zstd_level=values.get(COLD_LEVEL),
        ),
    )
