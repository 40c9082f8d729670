"""What is set for one tenant: its limits, how long its entries are kept, and what both were made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.config.blocks.limits_ingest import ingest_limits
from lodur.config.blocks.limits_query import query_limits
from lodur.config.blocks.limits_retention import check_stream_periods, deletion_mode, retention_periods, rule_limits
from lodur.config.blocks.ruler import ruler_limits
from lodur.config.values import Values
from lodur.model.limits import Limits
from lodur.ruler.options import RulerLimits
from lodur.store.compaction.options import RetentionPeriods


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """The settings of a tenant, or of all that have none of their own."""

    limits: Limits
    retention: RetentionPeriods
    ruler: RulerLimits
    values: Values = field(repr=False, compare=False)
    """For printing only."""


def tenant_settings(values: Values) -> TenantSettings:
    """Make the limits of values. Raises ConfigError."""
    check_stream_periods(values)
    limits = Limits(ingest_limits(values), query_limits(values), rule_limits(values), deletion_mode(values))
    return TenantSettings(limits, retention_periods(values), ruler_limits(values), values)
