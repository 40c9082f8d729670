"""`limits_config`, the limits on what is pushed."""

from __future__ import annotations

from lodur.config.blocks import policies
from lodur.config.blocks.otlp import otlp_mapping
from lodur.config.blocks.reasons import NO_RING
from lodur.config.kinds import BOOL, COUNT, DURATION, FLOAT, SIZE, TEXT, TEXTS, TIME, int_kind
from lodur.config.schema import Entry, Setting, inert_keys
from lodur.config.values import Values
from lodur.model.limits import LEVEL_FIELDS, MIB, SERVICE_NAME_SOURCES, IngestLimits

RATE = Setting(
    "limits_config.ingestion_rate_mb",
    FLOAT,
    "4",
    "MiB per second that a tenant may push.",
    ("distributor.ingestion-rate-limit-mb",),
)
BURST = Setting(
    "limits_config.ingestion_burst_size_mb",
    FLOAT,
    "6",
    "MiB that a tenant may push at once.",
    ("distributor.ingestion-burst-size-mb",),
)
STREAM_RATE = Setting(
    "limits_config.per_stream_rate_limit",
    SIZE,
    "3MB",
    "Bytes per second into one stream.",
    ("ingester.per-stream-rate-limit",),
)
STREAM_BURST = Setting(
    "limits_config.per_stream_rate_limit_burst",
    SIZE,
    "15MB",
    "Bytes into one stream at once.",
    ("ingester.per-stream-rate-limit-burst",),
)
STREAMS_GLOBAL = Setting(
    "limits_config.max_global_streams_per_user",
    COUNT,
    "5000",
    "Active streams of a tenant; 0 means no limit.",
    ("ingester.max-global-streams-per-user",),
)
STREAMS_LOCAL = Setting(
    "limits_config.max_streams_per_user",
    COUNT,
    "0",
    "Active streams of a tenant in one process; 0 means no limit.",
    ("ingester.max-streams-per-user",),
)
LABEL_NAMES = Setting(
    "limits_config.max_label_names_per_series",
    COUNT,
    "15",
    "Labels of a stream, a discovered `service_name` not counted.",
    ("validation.max-label-names-per-series",),
)
LABEL_NAME = Setting(
    "limits_config.max_label_name_length",
    COUNT,
    "1024",
    "Bytes of a label's name.",
    ("validation.max-length-label-name",),
)
LABEL_VALUE = Setting(
    "limits_config.max_label_value_length",
    COUNT,
    "2048",
    "Bytes of a label's value.",
    ("validation.max-length-label-value",),
)
LINE = Setting(
    "limits_config.max_line_size", SIZE, "256KB", "Longest line; 0 means no limit.", ("distributor.max-line-size",)
)
LINE_TRUNCATE = Setting(
    "limits_config.max_line_size_truncate",
    BOOL,
    "false",
    "Cut longer lines instead of refusing them.",
    ("distributor.max-line-size-truncate",),
)
LINE_IDENTIFIER = Setting(
    "limits_config.max_line_size_truncate_identifier", TEXT, "", "Appended to lines that were cut."
)
REJECT_OLD = Setting(
    "limits_config.reject_old_samples",
    BOOL,
    "true",
    "Refuse entries that are too old.",
    ("validation.reject-old-samples",),
)
OLD_AGE = Setting(
    "limits_config.reject_old_samples_max_age",
    DURATION,
    "1w",
    "Age at which an entry is too old.",
    ("validation.reject-old-samples.max-age",),
)
GRACE = Setting(
    "limits_config.creation_grace_period",
    DURATION,
    "10m",
    "How far in the future an entry may be.",
    ("validation.create-grace-period",),
)
UNORDERED = Setting(
    "limits_config.unordered_writes",
    BOOL,
    "true",
    "Accept entries older than the newest of their stream.",
    ("ingester.unordered-writes",),
    ignored="entries are accepted in any order",
)
INCREMENT = Setting(
    "limits_config.increment_duplicate_timestamp",
    BOOL,
    "false",
    "Add 1 ns to an entry with the timestamp of the stream's previous one and another line.",
    ("validation.increment-duplicate-timestamps",),
)
METADATA = Setting(
    "limits_config.allow_structured_metadata",
    BOOL,
    "true",
    "Accept structured metadata.",
    ("validation.allow-structured-metadata",),
)
METADATA_SIZE = Setting(
    "limits_config.max_structured_metadata_size",
    SIZE,
    "64KB",
    "Bytes of an entry's structured metadata.",
    ("limits.max-structured-metadata-size",),
)
METADATA_COUNT = Setting(
    "limits_config.max_structured_metadata_entries_count",
    COUNT,
    "128",
    "Names in an entry's structured metadata.",
    ("limits.max-structured-metadata-entries-count",),
)
SERVICE_NAME = Setting(
    "limits_config.discover_service_name",
    TEXTS,
    "[" + ", ".join(SERVICE_NAME_SOURCES) + "]",
    "Labels that give `service_name`, the first present wins; `[]` switches it off.",
    ("validation.discover-service-name",),
)
LEVELS = Setting(
    "limits_config.discover_log_levels",
    BOOL,
    "true",
    "Add `detected_level` to entries.",
    ("validation.discover-log-levels",),
)
LEVEL_NAMES = Setting(
    "limits_config.log_level_fields",
    TEXTS,
    "[" + ", ".join(LEVEL_FIELDS) + "]",
    "Labels, metadata and fields of lines that tell the level.",
    ("validation.log-level-fields",),
)
LEVEL_DEPTH = Setting(
    "limits_config.log_level_from_json_max_depth", COUNT, "2", "How deep JSON lines are searched for the level."
)
ENFORCED_LABELS = Setting(
    "limits_config.enforced_labels", TEXTS, "[]", "Labels that each stream must have.", ("validation.enforced-labels",)
)
BLOCK_UNTIL = Setting(
    "limits_config.block_ingestion_until",
    TIME,
    "0",
    "Refuse pushes until this time.",
    ("limits.block-ingestion-until",),
)
BLOCK_STATUS = Setting(
    "limits_config.block_ingestion_status_code",
    int_kind(100, 599),
    "260",
    "Status answered while pushes are refused; 200 drops silently.",
    ("limits.block-ingestion-status-code",),
)

ENTRIES: tuple[Entry, ...] = (
    RATE,
    BURST,
    STREAM_RATE,
    STREAM_BURST,
    STREAMS_GLOBAL,
    STREAMS_LOCAL,
    LABEL_NAMES,
    LABEL_NAME,
    LABEL_VALUE,
    LINE,
    LINE_TRUNCATE,
    LINE_IDENTIFIER,
    REJECT_OLD,
    OLD_AGE,
    GRACE,
    UNORDERED,
    INCREMENT,
    METADATA,
    METADATA_SIZE,
    METADATA_COUNT,
    SERVICE_NAME,
    LEVELS,
    LEVEL_NAMES,
    LEVEL_DEPTH,
    ENFORCED_LABELS,
    BLOCK_UNTIL,
    BLOCK_STATUS,
    *inert_keys("limits_config", "one writer takes all pushes, the whole rate is its own", "ingestion_rate_strategy"),
    *inert_keys("limits_config", NO_RING, "shard_streams ingestion_partitions_tenant_shard_size"),
    *inert_keys("limits_config", "generic fields are not copied yet", "discover_generic_fields"),
    *policies.ENTRIES,
    *inert_keys("limits_config", "it is for testing clients", "simulated_push_latency"),
)


def ingest_limits(values: Values) -> IngestLimits:
    """The limits on pushes."""
    return IngestLimits(
        rate_bytes=int(values.get(RATE) * MIB),
        burst_bytes=int(values.get(BURST) * MIB),
        stream_rate_bytes=values.get(STREAM_RATE),
        stream_burst_bytes=values.get(STREAM_BURST),
        active_streams_max=_smaller_limit(values.get(STREAMS_GLOBAL), values.get(STREAMS_LOCAL)),
        label_names_max=values.get(LABEL_NAMES),
        label_name_bytes_max=values.get(LABEL_NAME),
        label_value_bytes_max=values.get(LABEL_VALUE),
        line_bytes_max=values.get(LINE),
        line_truncate=values.get(LINE_TRUNCATE),
        line_truncate_identifier=values.get(LINE_IDENTIFIER),
        reject_old_samples=values.get(REJECT_OLD),
        old_samples_age_max_ns=values.get(OLD_AGE),
        future_grace_ns=values.get(GRACE),
        unordered_writes=values.get(UNORDERED),
        increment_duplicate_timestamps=values.get(INCREMENT),
        allow_structured_metadata=values.get(METADATA),
        structured_metadata_bytes_max=values.get(METADATA_SIZE),
        structured_metadata_entries_max=values.get(METADATA_COUNT),
        service_name_sources=values.get(SERVICE_NAME),
        discover_levels=values.get(LEVELS),
        level_fields=values.get(LEVEL_NAMES),
        level_json_depth_max=values.get(LEVEL_DEPTH),
        otlp=otlp_mapping(values),
        required_label_names=values.get(ENFORCED_LABELS),
        blocked_until_ns=values.get(BLOCK_UNTIL),
        blocked_status=values.get(BLOCK_STATUS),
        policies=policies.policies(values),
        policy_required_label_names=values.get(policies.LABELS),
        policy_blocked_until_ns=values.get(policies.BLOCKED),
    )


def _smaller_limit(first: int, second: int) -> int:
    """The stricter of two limits for which 0 means none."""
    return min(first, second) if first and second else first or second
