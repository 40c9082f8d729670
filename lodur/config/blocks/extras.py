"""`lodur`: what Loki has no key for."""

from __future__ import annotations

from lodur.config.kinds import COUNT, POSITIVE_SIZE
from lodur.config.schema import Entry, Setting

TYPE_NAMES = {"lodur": "lodur.Config", "lodur.ingester": "lodur.IngesterConfig", "lodur.query": "lodur.QueryConfig"}

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

QUERY_MEMORY = Setting(
    "lodur.query.memory_max",
    POSITIVE_SIZE,
    "1GiB",
    "What one query may hold in entries, partial aggregates or series by steps; those that need more are refused.",
)

ENTRIES: tuple[Entry, ...] = (FLUSH_BYTES, HEAD_MAX_BYTES, THREADS, QUERY_MEMORY)
