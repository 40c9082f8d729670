"""A store in memory for tests of the engine: heads, and segments that count how they are read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from lodur.kernels.head import Head
from lodur.kernels.push_decode import ContentEncoding, PushFormat, PushLimits, decode_push
from lodur.kernels.segment import Segment, write_segment
from lodur.model.tenant import TenantId
from lodur.query.sources import Source

DAY_NS = 86_400_000_000_000

Lines = Sequence[tuple[int, str] | tuple[int, str, Mapping[str, str]]]
"""Timestamps in nanoseconds, lines, and perhaps structured metadata."""


def fill(head: Head, streams: Mapping[str, Lines]) -> None:
    """Insert lines by stream; a stream is written as `app=x,env=prod`."""
    body = {
        "streams": [
            {
                "stream": dict(pair.split("=", 1) for pair in labels.split(",")),
                "values": [[str(ts_ns), *rest] for ts_ns, *rest in lines],
            }
            for labels, lines in streams.items()
        ]
    }
    limits = PushLimits(reject_old_samples=False, discover_log_levels=False, discover_service_name=[])
    decoded = decode_push(
        json.dumps(body).encode(),
        format=PushFormat.LOKI_JSON,
        encoding=ContentEncoding.IDENTITY,
        limits=limits,
        now_ns=max((ts_ns for lines in streams.values() for ts_ns, *_ in lines), default=0),
    )
    assert decoded.refusal_text is None
    head.insert(decoded)


class MemoryStore:
    """Sources by tenant; `gate`, where given, must be set before any are handed out."""

    def __init__(self, gate: asyncio.Event | None = None) -> None:
        self.by_tenant: dict[TenantId, list[Source]] = {}
        self.gate = gate
        self.waiting = asyncio.Event()

    def add_head(self, tenant: str, streams: Mapping[str, Lines]) -> None:
        head = Head()
        fill(head, streams)
        self.by_tenant.setdefault(TenantId(tenant), []).append(head.snapshot())

    async def sources(self, tenant: TenantId, start_ns: int, end_ns: int) -> Sequence[Source]:
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        return self.by_tenant.get(tenant, [])


class FileAsRemote:
    """A segment file read as if it lay in an object store."""

    def __init__(self, path: Path) -> None:
        self._bytes = path.read_bytes()
        size = len(self._bytes)
        footer = self._at(Segment.footer_range(self._bytes[-8:], size))
        directory = self._at(Segment.directory_range(footer, size))
        self.segment = Segment.from_parts(str(path), footer, directory, size)
        self.reads = 0

    def _at(self, wanted: tuple[int, int]) -> bytes:
        offset, length = wanted
        return self._bytes[offset : offset + length]

    async def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, bytes]]:
        self.reads += 1
        return [(offset, self._at((offset, length))) for offset, length in ranges]

    def discard(self) -> None:
        """Nothing is cached."""


def segment_file(path: Path, streams: Mapping[str, Lines]) -> Path:
    """Write a segment of these lines, which must lie in one day."""
    head = Head()
    fill(head, streams)
    frozen = head.freeze()
    assert frozen is not None
    (day,) = frozen.days()
    write_segment(frozen, path, start_ns=day * DAY_NS, end_ns=(day + 1) * DAY_NS, codec="zstd", zstd_level=1)
    return path
