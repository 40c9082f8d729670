"""The schema of the whole file."""

from __future__ import annotations

from lodur.config.blocks import (
    access,
    common,
    extras,
    ingester,
    limits_ingest,
    limits_query,
    limits_retention,
    other,
    otlp,
    querier,
    ruler,
    runtime,
    schema_periods,
    server,
    storage,
)
from lodur.config.schema import Schema

CONFIG_FILE = Schema.of(
    (
        *other.ENTRIES,
        *server.ENTRIES,
        *common.ENTRIES,
        *schema_periods.ENTRIES,
        *storage.ENTRIES,
        *ingester.ENTRIES,
        *limits_ingest.ENTRIES,
        *otlp.ENTRIES,
        *limits_query.ENTRIES,
        *limits_retention.ENTRIES,
        *runtime.ENTRIES,
        *querier.ENTRIES,
        *ruler.ENTRIES,
        *extras.ENTRIES,
        *access.ENTRIES,
    ),
    {
        **other.TYPE_NAMES,
        **server.TYPE_NAMES,
        **common.TYPE_NAMES,
        **schema_periods.TYPE_NAMES,
        **storage.TYPE_NAMES,
        **ingester.TYPE_NAMES,
        **otlp.TYPE_NAMES,
        **runtime.TYPE_NAMES,
        **querier.TYPE_NAMES,
        **ruler.TYPE_NAMES,
        **extras.TYPE_NAMES,
        **access.TYPE_NAMES,
    },
)
"""Every key of Loki's configuration file, and Lodur's own."""
