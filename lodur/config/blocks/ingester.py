"""`ingester`: the WAL, and when rows become segments."""

from __future__ import annotations

from pathlib import Path

from lodur.config.blocks.extras import (
    COLD_LEVEL,
    FLUSH_BYTES,
    HEAD_MAX_BYTES,
    WAL_FOLLOW_BYTES,
    WAL_FOLLOW_INTERVAL,
    WAL_GROUP_BYTES,
    WAL_INTERVAL,
    WAL_KIND,
    WAL_LEASE,
)
from lodur.config.blocks.reasons import NO_CHUNKS, NO_KAFKA, NO_RING
from lodur.config.errors import ConfigError
from lodur.config.kinds import BOOL, COUNT, DURATION, FLOAT, POSITIVE, POSITIVE_DURATION, POSITIVE_SIZE, TEXT, choice
from lodur.config.schema import Entry, RemovedKey, Setting, inert_keys
from lodur.config.values import Values
from lodur.ingest.options import IngesterOptions, WalOptions
from lodur.store.object_wal.options import ObjectWalOptions
from lodur.store.options import FlushOptions, SegmentCodec

TYPE_NAMES = {"ingester": "ingester.Config", "ingester.wal": "ingester.WALConfig"}

INTERVAL_MAX_S = 3.0
"""Of the object WAL: pushes are refused while a group has waited for five seconds, of which its request takes some."""

LEASE_MIN_S = 3.0
"""A request that is answered late must not cost a process its life."""

CODECS = {
    "none": SegmentCodec.NONE,
    "gzip": SegmentCodec.GZIP,
    "flate": SegmentCodec.GZIP,
    "snappy": SegmentCodec.SNAPPY,
    "lz4": SegmentCodec.LZ4,
    "lz4-64k": SegmentCodec.LZ4,
    "lz4-256k": SegmentCodec.LZ4,
    "lz4-1M": SegmentCodec.LZ4,
    "zstd": SegmentCodec.ZSTD,
}
"""Loki's names of codecs; `flate` is gzip without its header, and segments have the header."""

IDLE = Setting(
    "ingester.chunk_idle_period",
    DURATION,
    "30m",
    "Rows of a tenant that pushes nothing for so long become a segment.",
    ("ingester.chunks-idle-period",),
)
AGE = Setting(
    "ingester.max_chunk_age",
    DURATION,
    "2h",
    "Rows become a segment at this age.",
)
ENCODING = Setting(
    "ingester.chunk_encoding",
    choice(*CODECS),
    "zstd",
    "Codec of flushed segments. Loki's default is gzip, Lodur's is zstd.",
)
CHECK_PERIOD = Setting(
    "ingester.flush_check_period", POSITIVE_DURATION, "30s", "How often rows are looked at for flushing."
)
FLUSH_TIMEOUT = Setting(
    "ingester.flush_op_timeout",
    POSITIVE_DURATION,
    "10m",
    "One attempt to write a segment may take so long.",
    ignored="each request to the object store has a time limit of its own",
)
CONCURRENT = Setting("ingester.concurrent_flushes", POSITIVE, "32", "Segments written at the same time.")
STREAM_ERRORS = Setting(
    "ingester.max_returned_stream_errors",
    COUNT,
    "10",
    "Entries of a stream over its rate that the answer to a push lists; 0: all, up to 1000.",
)
WAL_ENABLED = Setting(
    "ingester.wal.enabled",
    BOOL,
    "true",
    "Keep accepted pushes on disk until they are in a segment.",
    ("ingester.wal-enabled",),
)
WAL_DIR = Setting(
    "ingester.wal.dir",
    TEXT,
    "wal",
    "Directory of the WAL; below `common.path_prefix` by default.",
    ("ingester.wal-dir",),
)
WAL_FLUSH = Setting(
    "ingester.wal.flush_on_shutdown",
    BOOL,
    "false",
    "Write all rows to segments when the server stops.",
    ("ingester.flush-on-shutdown",),
)
WAL_REPLAY = Setting(
    "ingester.wal.replay_memory_ceiling",
    POSITIVE_SIZE,
    "4GB",
    "Raw bytes in memory at which replay flushes before it reads on.",
    ("ingester.wal-replay-memory-ceiling",),
)
WAL_FULL = Setting(
    "ingester.wal.disk_full_threshold",
    FLOAT,
    "0.9",
    "Part of the WAL's disk that may be in use; above it pushes are refused.",
    ("ingester.wal-disk-full-threshold",),
)

ENTRIES: tuple[Entry, ...] = (
    IDLE,
    AGE,
    ENCODING,
    CHECK_PERIOD,
    FLUSH_TIMEOUT,
    CONCURRENT,
    STREAM_ERRORS,
    WAL_ENABLED,
    WAL_DIR,
    WAL_FLUSH,
    WAL_REPLAY,
    WAL_FULL,
    *inert_keys(
        "ingester",
        NO_CHUNKS,
        "chunk_block_size chunk_target_size chunk_retain_period sync_period sync_min_utilization index_shards "
        "flush_op_backoff max_dropped_streams query_store_max_look_back_period",
    ),
    *inert_keys("ingester.wal", "the WAL is trimmed at every flush, there are no checkpoints", "checkpoint_duration"),
    *inert_keys("ingester", NO_RING, "lifecycler autoforget_unhealthy shutdown_marker_path"),
    *inert_keys("ingester", NO_KAFKA, "kafka_ingestion"),
    *inert_keys("ingester", "streams have no owner among processes", "owned_streams_check_interval"),
    RemovedKey("ingester.max_transfer_retries", "delete it, rows are never handed from process to process"),
)


def ingester_options(values: Values, base: Path) -> IngesterOptions:
    """The writer's options; relative paths start at `base`. Raises ConfigError."""
    ratio = values.get(WAL_FULL)
    if ratio > 1:
        raise ConfigError(
            f"CONFIG ERROR: invalid ingester config: wal.disk_full_threshold must be 0 to 1 was {ratio:g}"
        )
    if values.get(HEAD_MAX_BYTES) < values.get(FLUSH_BYTES):
        raise ConfigError("CONFIG ERROR: invalid lodur config: ingester.head_max_bytes must not be below flush_bytes")
    wal = WalOptions(
        directory=base / values.get(WAL_DIR),
        enabled=values.get(WAL_ENABLED),
        disk_full_ratio=ratio,
        replay_max_bytes=values.get(WAL_REPLAY),
    )
    return IngesterOptions(
        wal=wal,
        object_wal=_object_wal_options(values),
        segments=FlushOptions(codec=CODECS[values.get(ENCODING)], cold_zstd_level=values.get(COLD_LEVEL)),
        flush_idle_s=values.get(IDLE) / 1e9,
        flush_age_s=values.get(AGE) / 1e9,
        flush_bytes=values.get(FLUSH_BYTES),
        flush_check_period_s=values.get(CHECK_PERIOD) / 1e9,
        flush_timeout_s=values.get(FLUSH_TIMEOUT) / 1e9,
        concurrent_flushes=values.get(CONCURRENT),
        flush_on_shutdown=values.get(WAL_FLUSH),
        head_max_bytes=values.get(HEAD_MAX_BYTES),
        returned_stream_errors_max=values.get(STREAM_ERRORS),
    )


def _object_wal_options(values: Values) -> ObjectWalOptions | None:
    if values.get(WAL_KIND) != "object":
        return None
    if not values.get(WAL_ENABLED):
        raise ConfigError("CONFIG ERROR: invalid lodur config: wal is object, but ingester.wal.enabled is false")
    options = ObjectWalOptions(
        interval_s=values.get(WAL_INTERVAL) / 1e9,
        group_bytes=values.get(WAL_GROUP_BYTES),
        follow_interval_s=values.get(WAL_FOLLOW_INTERVAL) / 1e9,
        follow_max_bytes=values.get(WAL_FOLLOW_BYTES),
        lease_s=values.get(WAL_LEASE) / 1e9,
    )
    refused = "CONFIG ERROR: invalid lodur config: object_wal"
    if options.interval_s > INTERVAL_MAX_S:
        raise ConfigError(f"{refused}.interval must be {INTERVAL_MAX_S:g}s or less, for pushes wait for it")
    if options.lease_s < LEASE_MIN_S:
        raise ConfigError(f"{refused}.lease must be {LEASE_MIN_S:g}s or more")
    return options
