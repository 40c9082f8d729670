"""`lodur`: what Loki has no key for."""

from __future__ import annotations

from lodur.config.kinds import COUNT, DURATION, POSITIVE_DURATION, POSITIVE_SIZE, SIZE, TEXT, choice, int_kind
from lodur.config.schema import Entry, Setting

TYPE_NAMES = {
    "lodur": "lodur.Config",
    "lodur.cache": "lodur.CacheConfig",
    "lodur.compactor": "lodur.CompactorConfig",
    "lodur.ingester": "lodur.IngesterConfig",
    "lodur.object_wal": "lodur.ObjectWALConfig",
    "lodur.query": "lodur.QueryConfig",
}

ZSTD_LEVEL_MAX = 22
"""The highest that zstd has."""


FLUSH_BYTES = Setting(
    "lodur.ingester.flush_bytes",
    POSITIVE_SIZE,
    "256MiB",
    "Raw bytes of one tenant's rows in memory that become a segment.",
)
HEAD_MAX_BYTES = Setting(
    "lodur.ingester.head_max_bytes",
    POSITIVE_SIZE,
    "1GiB",
    "Raw bytes of all rows in memory at which pushes are answered with 503 until a flush made room.",
)
THREADS = Setting("lodur.query.threads", COUNT, "0", "Threads that scan segments; 0 means one for each core.")
TARGET_BYTES = Setting(
    "lodur.compactor.target_bytes",
    POSITIVE_SIZE,
    "1GiB",
    "Raw bytes of lines of a segment that small ones are merged into.",
)
SETTLED_AFTER = Setting(
    "lodur.compactor.settled_after",
    DURATION,
    "2h",
    "How long after its end a day's small segments are merged, however few they are.",
)
COLD_AFTER = Setting(
    "lodur.compactor.cold_after",
    DURATION,
    "24h",
    "How long after its end a day's segments are compressed for good, where no merge has done so.",
)
COLD_LEVEL = Setting(
    "lodur.compactor.cold_zstd_level",
    int_kind(0, ZSTD_LEVEL_MAX),
    "6",
    "The zstd level of that, of merges that end a day or make a large segment, and of flushes of 64 MiB and more "
    "with 4096 rows a stream in the mean, where `ingester.chunk_encoding` is zstd, unless pushes or a start wait for "
    "the flush or the level is above 9, which is the compactor's alone; 0 leaves everything as fast as flushes are "
    "else. Levels 5 to 9 search lines for what logs repeat, all alike: they take 9 % of the bytes away, for some 5 "
    "CPU-seconds per GB of lines, once.",
)
READER_GRACE = Setting(
    "lodur.compactor.reader_grace",
    DURATION,
    "15m",
    "How long the objects of merged segments stay for queries that still read them: at least as long as the longest "
    "`limits_config.query_timeout` of any tenant, or a start warns.",
)

QUERY_MEMORY = Setting(
    "lodur.query.memory_max",
    POSITIVE_SIZE,
    "1GiB",
    "What one query may hold in entries, partial aggregates or series by steps; those that need more are refused.",
)
CACHE_METADATA = Setting(
    "lodur.cache.metadata_max_bytes",
    POSITIVE_SIZE,
    "512MiB",
    "Directories of segments in memory: 500 MiB for a terabyte of lines.",
)
CACHE_SMALL = Setting(
    "lodur.cache.small_ranges_max_bytes",
    SIZE,
    "64MiB",
    "Ranges of remote segments of up to 16 KiB each in memory, such as parts of their filters.",
)
CACHE_DISK = Setting(
    "lodur.cache.disk_max_bytes",
    SIZE,
    "10GiB",
    "Parts of remote segments on the local disk, of which a twentieth is always left free; 0 keeps none.",
)
CACHE_DIRECTORY = Setting(
    "lodur.cache.directory",
    TEXT,
    "",
    "Where they are; empty: `cache` below `common.path_prefix`, or beside the WAL. May be deleted at any time.",
)

WAL_KIND = Setting(
    "lodur.wal",
    choice("disk", "object"),
    "disk",
    "Where accepted pushes are kept until they are in a segment: on the disk of the process, or in the object store, "
    "where other processes see them too. See docs/how-to/run-several-processes.md.",
)
WAL_INTERVAL = Setting(
    "lodur.object_wal.interval",
    POSITIVE_DURATION,
    "250ms",
    "At most one object is written in so long by each process that takes pushes; 3s at most, for pushes wait for it.",
)
WAL_GROUP_BYTES = Setting(
    "lodur.object_wal.group_bytes",
    POSITIVE_SIZE,
    "8MiB",
    "Pushes that have so many bytes together are written at once.",
)
WAL_FOLLOW_INTERVAL = Setting(
    "lodur.object_wal.follow_interval",
    POSITIVE_DURATION,
    "500ms",
    "How often a process that answers queries looks for new objects of each other one.",
)
WAL_FOLLOW_BYTES = Setting(
    "lodur.object_wal.follow_max_bytes",
    POSITIVE_SIZE,
    "4GiB",
    "Raw bytes of other processes' unflushed rows that a process holds; beyond it queries are answered with 503.",
)
WAL_LEASE = Setting(
    "lodur.object_wal.lease",
    POSITIVE_DURATION,
    "30s",
    "A process that has said nothing for so long is taken for dead, and its WAL is adopted. All processes must agree.",
)

ENTRIES: tuple[Entry, ...] = (
    WAL_KIND,
    WAL_INTERVAL,
    WAL_GROUP_BYTES,
    WAL_FOLLOW_INTERVAL,
    WAL_FOLLOW_BYTES,
    WAL_LEASE,
    FLUSH_BYTES,
    HEAD_MAX_BYTES,
    THREADS,
    QUERY_MEMORY,
    TARGET_BYTES,
    SETTLED_AFTER,
    COLD_AFTER,
    COLD_LEVEL,
    READER_GRACE,
    CACHE_METADATA,
    CACHE_SMALL,
    CACHE_DISK,
    CACHE_DIRECTORY,
)
