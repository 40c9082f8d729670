"""Say at start in which store entries of which days lie, and what older names in `schema_config` mean here."""

from __future__ import annotations

import structlog

from lodur.config.server_config import ServerConfig
from lodur.store.cloud_clients import place_of
from lodur.store.days import day_name, day_of

_MEANINGS = {
    "v11": "v11 and v12 allow no structured metadata, as in Loki; segments have one format in all periods",
    "v12": "v11 and v12 allow no structured metadata, as in Loki; segments have one format in all periods",
    "boltdb-shipper": "boltdb-shipper and tsdb are one here: each segment carries its own index",
}

_log = structlog.get_logger(__name__)


def explain_periods(config: ServerConfig) -> None:
    """Log each period, and once what names of Loki's older schemas stand for."""
    for period in config.storage.periods:
        since = day_name(day_of(period.start_ns))
        _log.info("storage period", since=since, object_store=place_of(period.object_store))
    names = {name: None for period in config.schema_periods for name in (period.schema, period.index)}
    meanings = dict.fromkeys(_MEANINGS[name] for name in names if name in _MEANINGS)
    if meanings:
        _log.info(
            "older names in schema_config",
            names=",".join(name for name in names if name in _MEANINGS),
            meaning="; ".join(meanings),
            note="chunks and index tables that Loki has written are left alone and not read",
        )
