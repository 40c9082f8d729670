"""What the query engine must be told: how much of the machine it may use.

Values only; durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from lodur.model.limits import GIB

LOG_SLOW_NEVER_S = 0.0
"""`log_slower_than_s` that logs no query for being slow."""


@dataclass(frozen=True, slots=True)
class QuerierOptions:
    """How queries are run in one process."""

    threads: int
    """Threads that scan segments, shared by all queries."""
    concurrent_queries_max: int = 4
    """Queries that run at the same time; the others wait."""
    queued_queries_max: int = 2048
    """Queries of one tenant that may wait; more are answered with 429."""
    multi_tenant_enabled: bool = False
    """Accept several tenants in one query, joined by `|`."""
    request_limits_enabled: bool = False
    """Hold requests to the limits that they set themselves."""
    patterns_enabled: bool = False
    """Answer which patterns lines have."""
    tail_duration_max_s: float = 3600.0
    log_slower_than_s: float = LOG_SLOW_NEVER_S
    """Log queries that took longer; below 0 logs all."""
    memory_max_bytes: int = GIB
    """What one query may hold in entries, or in partial aggregates and then in series by steps; writing the answer
    takes as much again at most."""
    results_max_bytes: int = 0
    """Of series over closed time that are kept for later queries; 0 keeps none."""
    results_ttl_s: float = 3600.0
    """How long they are."""
    rules_left_out: frozenset[str] = frozenset()
    """Names of rewrites of plans that are not done: tests ask whether they change any answer."""
