"""The `stats` object of query answers: every key that clients decode, zero where Lodur has no such thing."""

from __future__ import annotations

from lodur.query.stats import Statistics

_CACHES = (
    "chunk",
    "index",
    "result",
    "statsResult",
    "volumeResult",
    "seriesResult",
    "labelResult",
    "instantMetricResult",
)
_NO_CACHE = {
    "entriesFound": 0,
    "entriesRequested": 0,
    "entriesStored": 0,
    "bytesReceived": 0,
    "bytesSent": 0,
    "requests": 0,
    "downloadTime": 0,
    "queryLengthServed": 0,
}
_NO_DATAOBJ = {
    "prePredicateDecompressedRows": 0,
    "prePredicateDecompressedBytes": 0,
    "prePredicateDecompressedStructuredMetadataBytes": 0,
    "postPredicateRows": 0,
    "postPredicateDecompressedBytes": 0,
    "postPredicateStructuredMetadataBytes": 0,
    "postFilterRows": 0,
    "pagesScanned": 0,
    "pagesDownloaded": 0,
    "pagesDownloadedBytes": 0,
    "pageBatches": 0,
    "totalRowsAvailable": 0,
    "totalPageDownloadTime": 0,
}


def statistics_body(statistics: Statistics) -> dict[str, object]:
    """The object as it is written into an answer. Blocks are shown as chunks, the head as the ingester's part."""
    counts = statistics.counts
    per_s = 1 / statistics.execution_s if statistics.execution_s > 0 else 0.0
    return {
        "summary": {
            "bytesProcessedPerSecond": int(counts.bytes * per_s),
            "linesProcessedPerSecond": int(counts.lines * per_s),
            "totalBytesProcessed": counts.bytes,
            "totalLinesProcessed": counts.lines,
            "execTime": statistics.execution_s,
            "queueTime": statistics.queue_s,
            "subqueries": 0,
            "totalEntriesReturned": statistics.entries,
            "splits": 0,
            "shards": 0,
            "totalPostFilterLines": counts.lines_kept,
            "totalStructuredMetadataBytesProcessed": 0,
        },
        "querier": {
            "store": _store(
                chunks=counts.blocks,
                read=counts.blocks_read,
                kept=counts.lines_kept,
                lines=counts.lines - counts.head_lines,
                size_bytes=counts.bytes - counts.head_bytes,
                stored_bytes=counts.stored_bytes,
            )
        },
        "ingester": {
            "totalReached": 1,
            "totalChunksMatched": 0,
            "totalBatches": 0,
            "totalLinesSent": 0,
            "store": _store(head_lines=counts.head_lines, head_bytes=counts.head_bytes),
        },
        "cache": dict.fromkeys(_CACHES, _NO_CACHE),
        "index": {
            "totalChunks": counts.blocks,
            "postFilterChunks": counts.blocks - counts.blocks_skipped,
            "shardsDuration": 0,
            "usedBloomFilters": False,
            "totalStreams": counts.streams,
            "chunkRefsLookupTime": 0,
            "bloomFilterTime": 0,
        },
    }


def _store(
    *,
    chunks: int = 0,
    read: int = 0,
    kept: int = 0,
    lines: int = 0,
    size_bytes: int = 0,
    stored_bytes: int = 0,
    head_lines: int = 0,
    head_bytes: int = 0,
) -> dict[str, object]:
    return {
        "totalChunksRef": chunks,
        "totalChunksDownloaded": read,
        "chunksDownloadTime": 0,
        "queryReferencedStructuredMetadata": False,
        "queryUsedV2Engine": False,
        "chunk": {
            "headChunkBytes": head_bytes,
            "headChunkLines": head_lines,
            "decompressedBytes": size_bytes,
            "decompressedLines": lines,
            "compressedBytes": stored_bytes,
            "totalDuplicates": 0,
            "postFilterLines": kept,
            "headChunkStructuredMetadataBytes": 0,
            "decompressedStructuredMetadataBytes": 0,
        },
        "chunkRefsFetchTime": 0,
        "congestionControlLatency": 0,
        "pipelineWrapperFilteredLines": 0,
        "dataobj": _NO_DATAOBJ,
    }
