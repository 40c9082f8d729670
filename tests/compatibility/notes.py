"""What the registries cannot say: where an endpoint, a key or a word differs from Loki, and what of Loki is not served.

A note whose subject is not in a registry fails the test, as does a subject of `NOT_SERVED` that is.
"""

from __future__ import annotations

from collections.abc import Mapping

ENDPOINTS: Mapping[str, str] = {
    "/": "says who answers; Loki has 404",
    "/config": "secrets are masked; keys without effect are not shown",
    "/ingester/prepare_shutdown": "is forgotten with the process; Loki's survives a restart",
    "/ingester/prepare_partition_downscale": "405, as Loki without Kafka: there are no partitions",
    "/loki/api/v1/cache/generation_numbers": "counts the changes of the tenant's delete requests; Loki's is a time",
    "/loki/api/v1/delete": "not divided by `max_interval`; readers take them too; see how-to/delete-entries.md",
    "/loki/api/v1/index/stats": "counts what is in memory too; blocks as chunks",
    "/loki/api/v1/index/volume": "counts what is in memory too",
    "/loki/api/v1/index/volume_range": "counts what is in memory too",
    "/loki/api/v1/patterns": "found in what is stored when they are asked for: Loki knows those of the last hours",
    "/metrics": "see [metrics](metrics.md) for what is not served, and why",
    **dict.fromkeys(
        (
            "/api/prom/rules",
            "/api/prom/rules/{namespace:path}",
            "/loki/api/v1/rules",
            "/loki/api/v1/rules/{namespace:path}",
            "/prometheus/api/v1/rules",
            "/prometheus/api/v1/alerts",
            "/api/prom/api/v1/rules",
            "/api/prom/api/v1/alerts",
        ),
        "of several tenants at once: 400, not 500",
    ),
    "/loki/api/v1/tail": "the client pings, not the server; `dropped_entries_total` counts those beyond a list",
    "/api/prom/tail": "as `/loki/api/v1/tail`",
    "/debug/pprof/": "names the profiles that there are",
    "/debug/pprof/profile": "processor time of Python and native threads; with `debug=1` a line a stack",
    "/debug/pprof/goroutine": "the stacks of Python threads, as text",
    "/memberlist": "there is none, in Loki's words",
    "/services": "the roles that run",
    **dict.fromkeys(
        (
            "/ring",
            "/distributor/ring",
            "/indexgateway/ring",
            "/compactor/ring",
            "/ruler/ring",
            "/scheduler/ring",
            "/pattern/ring",
        ),
        "one page for all, with one member",
    ),
}
"""By path; these differ, all others answer as Loki does."""

NOT_SERVED: Mapping[str, str] = {
    "/loki/api/v1/index/shards": "for the processes of a cluster of Loki's, which fails it too; 404",
    "/debug/fgprof": "a profile of Go's runtime; 404",
    "gRPC on port 9095": "between the processes of a cluster of Loki's; Lodur's share the object store",
}
"""Of Loki's interface, and why."""

OWN_ENDPOINTS: Mapping[str, str] = {
    "/lodur/api/v1/deletes/audit": "who asked for which entries to be deleted, and what was removed when",
}
"""By path: what only Lodur has."""

WORDS: Mapping[str, str] = {
    "avg_over_time": "divides by the samples; Loki by all lines that reach `unwrap`",
    "approx_topk": "exact, and of time spans too; Loki estimates, at one instant only",
    "variants": "structured metadata stands once in ungrouped results; Loki has it twice",
    "ip": "works in a chain of `or`; Loki searches for its text there",
}
"""By word of LogQL; these differ, all others mean what they mean in Loki."""

KEYS: Mapping[str, str] = {
    "tracing.enabled": "by OTLP to `OTEL_EXPORTER_OTLP_ENDPOINT`; not in the protocols of Jaeger itself",
    "ingester.chunk_encoding": "`zstd` where nothing is said; `flate` is written as gzip, all `lz4` forms as one",
    "storage_config.aws.bucketnames": "names one bucket",
}
"""By key; these differ, all others mean what they mean in Loki."""
