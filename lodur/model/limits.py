"""What a tenant may do: the limits that are checked on every push and every query.

Values only: `lodur.config` knows where they come from; whoever checks a limit decides what follows when it is passed.
The defaults are Loki's; 0 means "no limit" only where a field says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE
from lodur.model.matcher import Matcher
from lodur.model.otlp import OtlpMapping
from lodur.model.tenant import TenantId

KIB = 2**10
MIB = 2**20
GIB = 2**30

SERVICE_NAME_SOURCES = (
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
)
"""Labels that give a stream its `service_name`, the first that is present wins."""

LEVEL_FIELDS = (
    "level",
    "LEVEL",
    "Level",
    "log.level",
    "severity",
    "SEVERITY",
    "Severity",
    "SeverityText",
    "lvl",
    "LVL",
    "Lvl",
    "severity_text",
    "Severity_Text",
    "SEVERITY_TEXT",
)
"""Names of labels, metadata and line fields that tell an entry's level, in order of preference."""


GLOBAL_POLICY = "*"
"""What is asked under this name is asked of all streams, whatever their policy."""


@dataclass(frozen=True, slots=True)
class PolicySelector:
    """Streams that a policy is for; of several policies the highest priority decides."""

    matchers: tuple[Matcher, ...]
    priority: int = 0


@dataclass(frozen=True, slots=True)
class PushPolicy:
    """A name for the streams that any of the selectors chooses."""

    name: str
    selectors: tuple[PolicySelector, ...]


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """Limits on what is pushed."""

    rate_bytes: int = 4 * MIB
    """Raw bytes per second that a tenant may push, averaged."""
    burst_bytes: int = 6 * MIB
    """The largest push that can pass at once."""
    stream_rate_bytes: int = 3 * MIB
    """Raw bytes per second into one stream."""
    stream_burst_bytes: int = 15 * MIB
    """The largest part of a push that can go into one stream at once."""
    active_streams_max: int = 5000
    """Streams of a tenant that may be active at the same time; 0 = no limit."""
    label_names_max: int = 15
    """Labels of a stream, a discovered `service_name` not counted."""
    label_name_bytes_max: int = 1024
    label_value_bytes_max: int = 2048
    line_bytes_max: int = 256 * KIB
    """Longest line; 0 = no limit."""
    line_truncate: bool = False
    """Cut longer lines instead of refusing them."""
    line_truncate_identifier: str = ""
    """Appended to a line that was cut, within the limit."""
    reject_old_samples: bool = True
    old_samples_age_max_ns: int = 7 * 24 * NS_PER_HOUR
    """Entries older than this are refused where `reject_old_samples` holds."""
    future_grace_ns: int = 10 * NS_PER_MINUTE
    """How far ahead of the server's clock an entry may be."""
    unordered_writes: bool = True
    """Accept entries older than the newest of their stream."""
    increment_duplicate_timestamps: bool = False
    """Move an entry by 1 ns when its stream's previous entry has the same timestamp and another line."""
    allow_structured_metadata: bool = True
    structured_metadata_bytes_max: int = 64 * KIB
    """Names and values of one entry's structured metadata together."""
    structured_metadata_entries_max: int = 128
    service_name_sources: tuple[str, ...] = SERVICE_NAME_SOURCES
    """Empty: `service_name` is not discovered."""
    discover_levels: bool = True
    """Write `detected_level` to the structured metadata."""
    level_fields: tuple[str, ...] = LEVEL_FIELDS
    level_json_depth_max: int = 2
    otlp: OtlpMapping = field(default_factory=OtlpMapping)
    """Where the attributes of OpenTelemetry logs go."""
    required_label_names: tuple[str, ...] = ()
    """Labels that each stream must carry."""
    blocked_until_ns: int = 0
    """Pushes are refused until this time (ns since the epoch); 0 = not blocked."""
    blocked_status: int = 260
    """Status answered while blocked; 200 drops silently."""
    policies: tuple[PushPolicy, ...] = ()
    policy_required_label_names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Labels that each stream of a policy must carry, by the policy's name; under `*` those of all streams."""
    policy_blocked_until_ns: tuple[tuple[str, int], ...] = ()
    """Until when the streams of a policy are refused, by its name; under `*` the streams without one."""


@dataclass(frozen=True, slots=True)
class BlockedQuery:
    """One item of `blocked_queries`: which queries are refused."""

    pattern: str = ""
    """The whole query text; empty blocks every query of `types`."""
    regex: bool = False
    """`pattern` is a regular expression for the whole text."""
    types: frozenset[str] = frozenset()
    """Some of `metric`, `filter`, `limited`; empty means all."""
    hash: int = 0
    """FNV-1 32-bit hash of the query text; 0 = not compared."""
    query_tags: tuple[tuple[str, str], ...] = ()
    """Pairs of `X-Query-Tags` that must all be equal, whatever their case."""


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Limits on what is asked."""

    entries_max: int = 5000
    """Largest `limit` of a log query; 0 = no limit."""
    length_max_ns: int = 721 * NS_PER_HOUR
    """Longest time span of a query; 0 = no limit."""
    lookback_max_ns: int = 0
    """Start times further back are moved forward silently; 0 = no limit."""
    window_max_ns: int = 0
    """Longest `[range]` in a query; 0 = no limit."""
    series_max: int = 500
    """Series in the answer of a metric query; 0 = no limit."""
    bytes_read_max: int = 0
    """Raw bytes that a query may read; 0 = no limit."""
    process_bytes_read_max: int = 150 * GIB
    """Raw bytes that a query may read in one process; 0 = no limit."""
    timeout_ns: int = NS_PER_MINUTE
    steps_aligned: bool = True
    """Evaluate metrics at multiples of the step, from the one before the start to the one after the end; else from the
    start on."""
    parallelism_max: int = 32
    """Threads that one query may run on at the same time."""
    tail_requests_max: int = 10
    required_label_names: tuple[str, ...] = ()
    """Labels that the matchers of a stream selector must name."""
    matchers_min: int = 0
    """Fewest matchers of a stream selector."""
    blocked: tuple[BlockedQuery, ...] = ()
    volume_enabled: bool = True
    volume_series_max: int = 1000
    multi_variant_enabled: bool = False
    """Allow `variants(...)` queries."""
    approx_topk_enabled: bool = False
    """Allow `approx_topk`, switched on by `shard_aggregations`."""


@dataclass(frozen=True, slots=True)
class RuleLimits:
    """Limits on rules."""

    groups_max: int = 0
    """Rule groups of a tenant; 0 = no limit."""
    rules_per_group_max: int = 0
    """Rules in one group; 0 = no limit."""


class DeletionMode(Enum):
    """What requests to delete do; the value is the word of `deletion_mode`."""

    DISABLED = "disabled"
    FILTER_ONLY = "filter-only"
    """Entries are hidden from queries and stay in the store."""
    FILTER_AND_DELETE = "filter-and-delete"


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of one tenant."""

    ingest: IngestLimits = field(default_factory=IngestLimits)
    query: QueryLimits = field(default_factory=QueryLimits)
    rules: RuleLimits = field(default_factory=RuleLimits)
    deletion_mode: DeletionMode = DeletionMode.FILTER_AND_DELETE


LimitsOf: TypeAlias = Callable[[TenantId], Limits]
"""The limits of a tenant, as they are now: they may change while the server runs, so ask at each use. Equal answers are
the same object until something changes."""
