"""`storage_config`: the object stores, and which of them each period uses.

Several blocks can describe the store; all are brought into the form of `storage_config.aws`, `gcs`, `azure` and
`filesystem` before options are made of them (`with_stores_filled`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lodur.config.blocks import uniform_store
from lodur.config.blocks.common import CHUNKS_DIRECTORY, PATH_PREFIX, filled_from
from lodur.config.blocks.limits_retention import DELETE_STORE
from lodur.config.blocks.object_stores import (
    azure_options,
    azure_settings,
    filesystem_options,
    gcs_options,
    gcs_settings,
)
from lodur.config.blocks.reasons import NO_CHUNKS, NO_INDEX_SHIPPING
from lodur.config.blocks.s3_store import s3_options, s3_settings
from lodur.config.blocks.schema_periods import SchemaPeriod
from lodur.config.blocks.uniform_store import NO_CLIENT, PREFIX, USE_UNIFORM, with_uniform_store
from lodur.config.errors import BadValue, ConfigError, Problem
from lodur.config.kinds import DURATION, POSITIVE, SHOWN_CHARS_MAX, TEXT
from lodur.config.records import record_map
from lodur.config.schema import Entry, InertKey, MisplacedKey, RemovedKey, Schema, Setting, inert_keys
from lodur.config.values import Values
from lodur.model.durations import NS_PER_S
from lodur.store.options import (
    FilesystemOptions,
    HedgingOptions,
    MemoryOptions,
    ObjectStoreOptions,
    PeriodOptions,
    S3Options,
    StorageOptions,
)

TYPE_NAMES = {
    "storage_config": "storage.Config",
    "storage_config.aws": "aws.StorageConfig",
    "storage_config.gcs": "gcp.GCSConfig",
    "storage_config.azure": "azure.BlobStorageConfig",
    "storage_config.filesystem": "local.FSConfig",
    "storage_config.tsdb_shipper": "indexshipper.Config",
    "storage_config.boltdb_shipper": "indexshipper.Config",
    "storage_config.named_stores": "storage.NamedStores",
    **uniform_store.TYPE_NAMES,
}

KINDS = ("filesystem", "s3", "aws", "gcs", "azure", "inmemory")
"""What `object_store` may say besides the names of named stores."""

KINDS_WITHOUT_CLIENT = ("alibabacloud", "bos", "cos", "swift")
"""Of Loki's kinds of store those that hold nothing here."""

DIRECTORY = Setting(
    "storage_config.filesystem.directory",
    TEXT,
    "",
    "Directory of the object store `filesystem`.",
    ("local.chunk-directory",),
)
S3 = s3_settings("storage_config.aws", "s3")
GCS = gcs_settings("storage_config.gcs")
AZURE = azure_settings("storage_config.azure")

_NAMED_S3 = s3_settings("")
_NAMED_GCS = gcs_settings("")
_NAMED_AZURE = azure_settings("")
_NAMED_DIRECTORY = Setting("directory", TEXT, "", "The directory.")

NAMED_S3 = Setting(
    "storage_config.named_stores.aws",
    record_map("stores", Schema.of(_NAMED_S3.entries(), {"": "aws.StorageConfig"}), lambda v: s3_options(v, _NAMED_S3)),
    "{}",
    "S3 stores by name, each as `storage_config.aws`.",
)
NAMED_GCS = Setting(
    "storage_config.named_stores.gcs",
    record_map("stores", Schema.of(_NAMED_GCS.entries(), {"": "gcp.GCSConfig"}), lambda v: gcs_options(v, _NAMED_GCS)),
    "{}",
    "Google Cloud stores by name, each as `storage_config.gcs`.",
)
NAMED_AZURE = Setting(
    "storage_config.named_stores.azure",
    record_map(
        "stores",
        Schema.of(_NAMED_AZURE.entries(), {"": "azure.BlobStorageConfig"}),
        lambda v: azure_options(v, _NAMED_AZURE),
    ),
    "{}",
    "Azure stores by name, each as `storage_config.azure`.",
)
NAMED_FILESYSTEM = Setting(
    "storage_config.named_stores.filesystem",
    record_map("stores", Schema.of((_NAMED_DIRECTORY,), {"": "local.FSConfig"}), lambda v: v.get(_NAMED_DIRECTORY)),
    "{}",
    "Directories by name.",
)

HEDGE_AT = Setting(
    "storage_config.hedging.at",
    DURATION,
    "0s",
    "A read of an object store that takes longer is made once more beside it; 0 makes none.",
    ("store.hedge-requests-at",),
)
HEDGE_UP_TO = Setting(
    "storage_config.hedging.up_to",
    POSITIVE,
    "2",
    "Attempts of one read in all.",
    ("store.hedge-requests-up-to",),
)
HEDGE_PER_SECOND = Setting(
    "storage_config.hedging.max_per_second",
    POSITIVE,
    "5",
    "Further attempts of all reads in a second.",
    ("store.hedge-max-per-second",),
)

_SHIPPER_KEYS = (
    "active_index_directory",
    "cache_location",
    "cache_ttl",
    "resync_interval",
    "query_ready_num_days",
    "index_gateway_client",
)

ENTRIES: tuple[Entry, ...] = (
    DIRECTORY,
    *S3.entries(),
    *GCS.entries(),
    *AZURE.entries(),
    NAMED_S3,
    NAMED_GCS,
    NAMED_AZURE,
    NAMED_FILESYSTEM,
    *inert_keys("storage_config.named_stores", NO_CLIENT, " ".join(KINDS_WITHOUT_CLIENT)),
    *uniform_store.ENTRIES,
    *inert_keys("storage_config", NO_CLIENT, " ".join(KINDS_WITHOUT_CLIENT)),
    HEDGE_AT,
    HEDGE_UP_TO,
    HEDGE_PER_SECOND,
    *inert_keys("storage_config", "reads are retried and hedged, nothing else slows them down", "congestion_control"),
    *inert_keys("storage_config", NO_CHUNKS, "max_chunk_batch_size max_parallel_get_chunk disable_broad_index_queries"),
    *inert_keys("storage_config", NO_INDEX_SHIPPING, "index_queries_cache_config index_cache_validity"),
    *inert_keys("storage_config", "this index is not used", "boltdb cassandra bigtable grpc_store bloom_shipper"),
    InertKey("storage_config.tsdb_shipper", NO_INDEX_SHIPPING, _SHIPPER_KEYS),
    InertKey("storage_config.boltdb_shipper", NO_INDEX_SHIPPING, _SHIPPER_KEYS),
    RemovedKey("storage_config.tsdb_shipper.shared_store", "object_store in schema_config.configs decides"),
    RemovedKey("storage_config.boltdb_shipper.shared_store", "object_store in schema_config.configs decides"),
    MisplacedKey("aws", "storage_config.aws"),
    MisplacedKey("gcs", "storage_config.gcs"),
    MisplacedKey("azure", "storage_config.azure"),
    MisplacedKey("filesystem", "storage_config.filesystem"),
    MisplacedKey("tsdb_shipper", "storage_config.tsdb_shipper"),
    MisplacedKey("boltdb_shipper", "storage_config.boltdb_shipper"),
)


def with_stores_filled(values: Values) -> Values:
    """The values with `storage_config` filled from the other blocks that can describe a store."""
    if values.get(USE_UNIFORM):
        values = with_uniform_store(values)
    for kind, name in (("s3", "aws"), ("gcs", "gcs"), ("azure", "azure")):
        values = filled_from(values, f"common.storage.{kind}", f"storage_config.{name}")
    values = filled_from(values, "common.storage.hedging", "storage_config.hedging")
    if directory := values.get(CHUNKS_DIRECTORY):
        values = values.filled(DIRECTORY, directory)
    if prefix := values.get(PATH_PREFIX):
        values = values.filled(DIRECTORY, str(Path(prefix) / "chunks"))
    return values


def default_period(values: Values) -> SchemaPeriod:
    """The one period of a configuration without `schema_config`: the store that is described, or the local disk."""
    for block, name in (("storage_config.aws", "s3"), ("storage_config.gcs", "gcs"), ("storage_config.azure", "azure")):
        if values.given_in(block):
            return SchemaPeriod(0, name, "v13", "tsdb")
    return SchemaPeriod(0, "filesystem", "v13", "tsdb")


def storage_options(
    values: Values, periods: tuple[SchemaPeriod, ...], base: Path, file_name: str = ""
) -> StorageOptions:
    """The stores of all periods; relative paths start at `base`. Raises ConfigError, which names the file's place."""
    found: list[PeriodOptions] = []
    for period in periods or (default_period(values),):
        try:
            found.append(PeriodOptions(period.start_ns, _rooted(_object_store(values, period.object_store), base)))
        except _UnknownStore as error:
            place = f"{file_name}: line {period.line}: " if period.line else ""
            raise ConfigError(f"CONFIG ERROR: invalid schema_config config: {place}{error}") from error
        except BadValue as error:
            raise ConfigError(f"CONFIG ERROR: invalid storage_config config: {error}") from error
    hedging = HedgingOptions(values.get(HEDGE_AT) / NS_PER_S, values.get(HEDGE_UP_TO), values.get(HEDGE_PER_SECOND))
    return StorageOptions(tuple(found), hedging)


def check_delete_store(values: Values, file_name: str = "") -> None:
    """Refuse a store of delete requests that is none. Raises ConfigError, which names the file's place.

    Any that Loki takes will do, for they are kept in the first period's store whatever it names. The stores were made
    before, so that their names are sound.
    """
    name = values.get(DELETE_STORE)
    known = (*KINDS, *KINDS_WITHOUT_CLIENT, *_named_stores(values))
    if name and name not in known:
        line = values.node(DELETE_STORE).line
        place = f"{file_name}: line {line}: " if line else ""
        raise ConfigError(
            f"CONFIG ERROR: invalid compactor config: {place}unrecognized store '{name[:SHOWN_CHARS_MAX]}' in "
            f"{DELETE_STORE.path}, use one of {', '.join(known)}"
        )


class _UnknownStore(Exception):
    """A period names a store that nothing describes."""


def _object_store(values: Values, name: str) -> ObjectStoreOptions:
    prefix = values.get(PREFIX) if values.get(USE_UNIFORM) else ""
    named = _named_stores(values)
    if name in named:
        return named[name]
    match name:
        case "filesystem":
            return filesystem_options(values.get(DIRECTORY), Path())
        case "inmemory":
            return MemoryOptions()
        case "s3" | "aws":
            options = s3_options(values, S3)
            return replace(options, prefix=prefix or options.prefix)
        case "gcs":
            return replace(gcs_options(values, GCS), prefix=prefix)
        case "azure":
            return replace(azure_options(values, AZURE), prefix=prefix)
        case _:
            known = ", ".join((*KINDS, *named))
            shown = name[:SHOWN_CHARS_MAX]
            raise _UnknownStore(
                f"unrecognized object_store '{shown}' in schema_config.configs.object_store, use one of {known}"
            )


def _named_stores(values: Values) -> dict[str, ObjectStoreOptions]:
    """The named stores of all kinds. Raises BadValue for a name that means two."""
    directories = values.get(NAMED_FILESYSTEM)
    stores: tuple[tuple[str, ObjectStoreOptions], ...] = (
        *values.get(NAMED_S3),
        *values.get(NAMED_GCS),
        *values.get(NAMED_AZURE),
        *((name, filesystem_options(directory, Path())) for name, directory in directories),
    )
    named: dict[str, ObjectStoreOptions] = {}
    for name, options in stores:
        if name in named or name in KINDS:
            what = "the name of two stores" if name in named else "a kind of store"
            raise BadValue(Problem(0, f"'{name[:SHOWN_CHARS_MAX]}' in named_stores is {what}, use another name"))
        named[name] = options
    return named


def _rooted(options: ObjectStoreOptions, base: Path) -> ObjectStoreOptions:
    """The options with paths that start at `base`."""
    match options:
        case FilesystemOptions():
            return FilesystemOptions(base / options.directory)
        case S3Options(http=http) if http.ca_file is not None:
            return replace(options, http=replace(http, ca_file=base / http.ca_file))
        case _:
            return options
