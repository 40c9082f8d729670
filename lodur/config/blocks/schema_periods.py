"""`schema_config`: since which day which object store is used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from lodur.config.blocks.limits_ingest import METADATA
from lodur.config.blocks.reasons import NO_CHUNKS
from lodur.config.errors import BadValue, ConfigError, Problem
from lodur.config.kinds import TEXT, Kind, choice, wrong_type
from lodur.config.records import record_list
from lodur.config.schema import Entry, Schema, Setting, inert_keys
from lodur.config.values import Values
from lodur.config.yaml_nodes import Node, ScalarNode, plain_scalar

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
"""The one form that Loki takes: ISO 8601 has others, of which 20240101 is a number in YAML."""

TYPE_NAMES = {"schema_config": "config.SchemaConfig"}


def _parse_day(node: Node) -> int:
    """Nanoseconds since the epoch at the start of a UTC day."""
    if isinstance(node, ScalarNode) and _DAY.fullmatch(node.text):
        try:
            day = date.fromisoformat(node.text)
            return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 10**9
        except ValueError:
            pass
    raise wrong_type(node, "config.DayTime", "use a day such as 2026-01-31")


DAY = Kind("day", _parse_day, plain_scalar)


@dataclass(frozen=True, slots=True)
class SchemaPeriod:
    """One item of `schema_config.configs`."""

    start_ns: int
    object_store: str
    schema: str
    index: str
    line: int = 0
    """Of the file, where the store is named; 0 where no file names it."""


_FROM = Setting("from", DAY, "1970-01-01", "First day, in UTC.")
_INDEX = Setting("store", choice("tsdb", "boltdb-shipper"), "tsdb", "Loki's index; Lodur has one of its own.")
_OBJECT_STORE = Setting(
    "object_store", TEXT, "", "filesystem, s3, aws, gcs, azure, inmemory or the name of a named store."
)
_SCHEMA = Setting("schema", choice("v11", "v12", "v13"), "v13", "Loki's schema; v13 allows structured metadata.")


def _schema_period(values: Values) -> SchemaPeriod:
    for setting in (_FROM, _OBJECT_STORE):
        if not values.given(setting):
            raise BadValue(Problem(0, f"{setting.path} is missing"))
    return SchemaPeriod(
        values.get(_FROM),
        values.get(_OBJECT_STORE),
        values.get(_SCHEMA),
        values.get(_INDEX),
        values.node(_OBJECT_STORE).line,
    )


PERIOD = Schema.of(
    (
        _FROM,
        _INDEX,
        _OBJECT_STORE,
        _SCHEMA,
        *inert_keys("index", NO_CHUNKS, "prefix period path_prefix tags"),
        *inert_keys("chunks", NO_CHUNKS, "prefix period path_prefix tags"),
        *inert_keys("", NO_CHUNKS, "row_shards"),
    ),
    {"": "config.PeriodConfig", "index": "config.IndexPeriodicTableConfig", "chunks": "config.PeriodicTableConfig"},
)

PERIODS = Setting(
    "schema_config.configs",
    record_list("periods", PERIOD, _schema_period),
    "[]",
    "Periods: `from`, `object_store`, `store`, `schema`, `index`. Without any, one period holds for all time.",
)

ENTRIES: tuple[Entry, ...] = (PERIODS,)


def schema_periods(values: Values) -> tuple[SchemaPeriod, ...]:
    """The periods, oldest first. Raises ConfigError where two begin on one day."""
    periods = tuple(sorted(values.get(PERIODS), key=lambda period: period.start_ns))
    starts = [period.start_ns for period in periods]
    if len(set(starts)) < len(starts):
        raise ConfigError("CONFIG ERROR: invalid schema_config config: two periods have the same from date")
    return periods


def check_metadata_schema(values: Values, periods: tuple[SchemaPeriod, ...], now_ns: int) -> None:
    """Refuse structured metadata where Loki's schema of today has none, as Loki does. Raises ConfigError."""
    if not periods or not values.get(METADATA):
        return
    past = [period for period in periods if period.start_ns <= now_ns]
    active = past[-1] if past else periods[0]
    turn_off = "Set `limits_config.allow_structured_metadata: false`, or add a period with schema v13 and store tsdb"
    if active.schema != "v13":
        raise ConfigError(
            "CONFIG ERROR: schema v13 is required to store Structured Metadata and use native OTLP ingestion, "
            f"your schema version is {active.schema}. {turn_off}"
        )
    if active.index != "tsdb":
        raise ConfigError(
            "CONFIG ERROR: `tsdb` index type is required to store Structured Metadata and use native OTLP ingestion, "
            f"your index type is `{active.index}`. {turn_off}"
        )
