"""`common`: what fills other blocks where these are silent."""

from __future__ import annotations

from lodur.config.blocks.object_stores import azure_settings, gcs_settings
from lodur.config.blocks.reasons import NO_GRPC, NO_RING
from lodur.config.blocks.s3_store import s3_settings
from lodur.config.kinds import DURATION, POSITIVE, TEXT
from lodur.config.schema import Entry, Setting, inert_keys
from lodur.config.values import Values

TYPE_NAMES = {
    "common": "common.Config",
    "common.storage": "common.Storage",
    "common.storage.filesystem": "common.FilesystemConfig",
    "common.storage.s3": "aws.S3Config",
    "common.storage.gcs": "gcp.GCSConfig",
    "common.storage.azure": "azure.BlobStorageConfig",
}

PATH_PREFIX = Setting(
    "common.path_prefix",
    TEXT,
    "",
    "Directory below which the WAL and local objects lie by default.",
)
CHUNKS_DIRECTORY = Setting(
    "common.storage.filesystem.chunks_directory", TEXT, "", "Fills `storage_config.filesystem.directory`."
)
HEDGE_AT = Setting(
    "common.storage.hedging.at",
    DURATION,
    "0s",
    "Fills `storage_config.hedging`.",
    ("common.storage.hedge-requests-at",),
)
HEDGE_UP_TO = Setting(
    "common.storage.hedging.up_to", POSITIVE, "2", "As above.", ("common.storage.hedge-requests-up-to",)
)
HEDGE_PER_SECOND = Setting(
    "common.storage.hedging.max_per_second", POSITIVE, "5", "As above.", ("common.storage.hedge-max-per-second",)
)

ENTRIES: tuple[Entry, ...] = (
    PATH_PREFIX,
    CHUNKS_DIRECTORY,
    *s3_settings("common.storage.s3").entries(),
    *gcs_settings("common.storage.gcs").entries(),
    *azure_settings("common.storage.azure").entries(),
    *inert_keys("common.storage", "this object store has no client here", "alibabacloud bos swift cos"),
    HEDGE_AT,
    HEDGE_UP_TO,
    HEDGE_PER_SECOND,
    *inert_keys("common.storage", "reads are retried and hedged, nothing else slows them down", "congestion_control"),
    *inert_keys(
        "common",
        NO_RING,
        "persist_tokens instance_addr instance_interface_names instance_enable_ipv6 ring ring_tokens_file_path",
    ),
    *inert_keys("common", "the object store keeps copies, processes do not", "replication_factor"),
    *inert_keys("common", NO_GRPC, "compactor_address compactor_grpc_address"),
)


def filled_from(values: Values, source: str, target: str) -> Values:
    """The values, with those of the block `source` for the keys of the block `target` that nobody set."""
    moved = {
        target + path.removeprefix(source): node for path, node in values.nodes.items() if path.startswith(source + ".")
    }
    return values.over(Values(moved))
