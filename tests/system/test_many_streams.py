"""What a stream and a tenant cost a server in memory: `bench.many_streams` in small."""

from __future__ import annotations

import http.client

from bench.many_streams import CONFIG, STREAMS_PER_PUSH, Bench
from bench.process_facts import memory
from tests.conftest import StartLodur

STREAMS = 12_000
TENANTS = 200
STREAMS_PER_TENANT = 20

STREAM_BYTES_MAX = 2048
"""600 when it was set, two lines included."""

REPEATED_STREAM_BYTES_MAX = 1024
"""Of a stream that is there already: 170 when it was set, for two more lines."""

TENANT_BYTES_MAX = 64 * 1024
"""21 KiB when it was set, of which twenty streams are twelve."""


def push_streams(bench: Bench) -> None:
    for low in range(0, STREAMS, STREAMS_PER_PUSH):
        bench.push("one", range(low, low + STREAMS_PER_PUSH))


def peak_bytes(bench: Bench) -> int:
    return memory(bench.server.process.pid).peak_bytes


def test_memory_of_streams_and_tenants(lodur_server: StartLodur) -> None:
    server = lodur_server(config_text=CONFIG)
    bench = Bench(server, http.client.HTTPConnection("127.0.0.1", server.port, timeout=60))
    # What the first push of all takes is no stream's.
    bench.push("first", range(STREAMS_PER_PUSH))
    begun = peak_bytes(bench)
    push_streams(bench)
    with_streams = peak_bytes(bench)
    push_streams(bench)
    with_lines = peak_bytes(bench)
    for number in range(TENANTS):
        bench.push(f"tenant-{number}", range(STREAMS_PER_TENANT))
    with_tenants = peak_bytes(bench)
    bench.connection.close()
    assert (with_streams - begun) / STREAMS <= STREAM_BYTES_MAX
    assert (with_lines - with_streams) / STREAMS <= REPEATED_STREAM_BYTES_MAX
    assert (with_tenants - with_lines) / TENANTS <= TENANT_BYTES_MAX
