"""`object_store`: the uniform description of a store, in the words of Mimir and Thanos.

Loki reads it where `storage_config.use_thanos_objstore` says so, and then nothing else; its Helm chart writes it below
`common.storage`. It is brought into the form of `storage_config.aws`, `gcs`, `azure` and `filesystem` here. Start at
`with_uniform_store`.
"""

from __future__ import annotations

from dataclasses import replace

from lodur.config.blocks.common import filled_from
from lodur.config.blocks.object_stores import azure_settings, gcs_settings
from lodur.config.blocks.s3_store import s3_settings
from lodur.config.blocks.store_clients import NOT_TUNED, at
from lodur.config.kinds import BOOL, COUNT, DURATION, POSITIVE_DURATION, TEXT, choice
from lodur.config.schema import Entry, Setting, inert_keys
from lodur.config.values import Values

BLOCKS = ("storage_config.object_store", "common.storage.object_store")
"""Where it may stand; what is in the first holds."""

TYPE_NAMES = dict.fromkeys(BLOCKS, "bucket.ConfigWithNamedStores")

USE_UNIFORM = Setting(
    "storage_config.use_thanos_objstore", BOOL, "false", "Take the store from `object_store`, and from nothing else."
)
PREFIX = Setting("storage_config.object_store.storage_prefix", TEXT, "", "Put before every object's path.")

NO_CLIENT = "this object store has no client here"

_RENAMED = {
    "s3.bucket_name": "aws.bucketnames",
    "s3.http": "aws.http_config",
    "s3.http.tls_config.ca_path": "aws.http_config.ca_file",
    "s3.max_retries": "aws.backoff_config.max_retries",
    "s3": "aws",
    "gcs": "gcs",
    "azure": "azure",
    "filesystem.dir": "filesystem.directory",
}
"""What keys and blocks are called below `storage_config`."""

_LOOKUP = Setting(
    f"{BLOCKS[0]}.s3.bucket_lookup_type",
    choice("", "auto", "virtual-hosted", "path"),
    "",
    "Where the bucket is named; else in the path where an endpoint is given that is not Amazon's.",
)
_ENDPOINT = s3_settings(f"{BLOCKS[0]}.s3").endpoint

_OTHERS = (
    *(f"storage_config.{kind}." for kind in ("aws", "gcs", "azure", "filesystem")),
    *(f"common.storage.{kind}." for kind in ("s3", "gcs", "azure")),
    "common.storage.filesystem.chunks_directory",
)
"""What else can describe the store."""


def _entries(block: str) -> tuple[Entry, ...]:
    s3 = at(block, "s3")
    http = f"{s3}.http"
    return (
        Setting(f"{s3}.bucket_name", TEXT, "", "The bucket."),
        replace(_LOOKUP, path=f"{s3}.bucket_lookup_type"),
        Setting(f"{s3}.max_retries", COUNT, "5", "New attempts of a request, within 20 s; then who waits is told."),
        Setting(f"{http}.idle_conn_timeout", POSITIVE_DURATION, "1m30s", "How long an unused connection is kept."),
        Setting(f"{http}.response_header_timeout", DURATION, "0s", "Without a byte of the answer it is given up."),
        Setting(f"{http}.insecure_skip_verify", BOOL, "false", "Do not check the certificate."),
        Setting(f"{http}.tls_config.ca_path", TEXT, "", "Certificates of authorities to trust besides the system's."),
        *inert_keys(
            http,
            NOT_TUNED,
            "tls_handshake_timeout expect_continue_timeout max_idle_connections max_idle_connections_per_host "
            "max_connections_per_host",
        ),
        *inert_keys(f"{http}.tls_config", NOT_TUNED, "cert_path key_path server_name"),
        *inert_keys(
            s3, NOT_TUNED, "dualstack_enabled list_objects_version part_size send_content_md5 sts_endpoint trace"
        ),
        *s3_settings(s3).entries(),
        *gcs_settings(f"{block}.gcs").entries(),
        *inert_keys(f"{block}.gcs", NOT_TUNED, "max_retries http"),
        *azure_settings(f"{block}.azure").entries(),
        *inert_keys(f"{block}.azure", NOT_TUNED, "http"),
        Setting(f"{block}.filesystem.dir", TEXT, "", "The directory."),
        *inert_keys(block, NO_CLIENT, "alibabacloud bos cos swift"),
        *inert_keys(block, "use storage_config.named_stores", "named_stores"),
    )


ENTRIES: tuple[Entry, ...] = (
    USE_UNIFORM,
    PREFIX,
    *_entries(BLOCKS[0]),
    Setting(f"{BLOCKS[1]}.storage_prefix", TEXT, "", "Fills `storage_config.object_store`, as all of this block."),
    *_entries(BLOCKS[1]),
)


def with_uniform_store(values: Values) -> Values:
    """The values with `storage_config` as the uniform description says: what other blocks say of stores is left out."""
    values = filled_from(values, BLOCKS[1], BLOCKS[0])
    own = BLOCKS[0] + "."
    nodes = {path: node for path, node in values.nodes.items() if not path.startswith(_OTHERS)}
    for path, node in values.nodes.items():
        if path.startswith(own) and (name := _own_name(path.removeprefix(own))):
            nodes[f"storage_config.{name}"] = node
    if _names_bucket_in_path(values):
        nodes["storage_config.aws.s3forcepathstyle"] = BOOL.node_of("true")
    return Values(nodes)


def _names_bucket_in_path(values: Values) -> bool:
    """As the client that Loki has here decides by itself: in the host where it is Amazon's."""
    asked = values.get(_LOOKUP)
    endpoint = values.get(_ENDPOINT)
    return asked == "path" or (asked in ("", "auto") and bool(endpoint) and "amazonaws.com" not in endpoint)


def _own_name(path: str) -> str:
    """What a key of the uniform block is called below `storage_config`; empty where it has no such name."""
    found = max((known for known in _RENAMED if f"{path}.".startswith(f"{known}.")), key=len, default="")
    return _RENAMED[found] + path.removeprefix(found) if found else ""
