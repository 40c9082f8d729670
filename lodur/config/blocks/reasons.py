"""Why keys have no effect, for those reasons that several blocks share."""

from __future__ import annotations

NO_RING = "processes share only the object store, there is no ring to join"
NO_GRPC = "processes share only the object store, there is no gRPC between them"
NO_CHUNKS = "logs are kept in segments, there are no chunks and no index tables to tune"
NO_INDEX_SHIPPING = "each segment carries its index, nothing is shipped or cached beside it"
NO_SHARDING = "queries are divided by segments and blocks, not by time or stream shards"
NO_RESULT_CACHE = "only series of range queries are cached (query_range.cache_results)"
NO_CHUNK_CACHE = "parts of segments are cached on the local disk (lodur.cache), there is no client of other caches"
NO_BLOOMS = "segments carry their own filters, there are no blooms to build"
NO_KAFKA = "there is no Kafka between writers and readers"
PATTERNS_ON_DEMAND = "patterns are found in stored lines when they are asked for, nothing of them is kept"
NOT_FOR_ONE_PROCESS = "it divides work among processes of a cluster"
