"""The same entries held in three ways: in the head, in segments, and in both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from lodur.kernels.head import Head
from lodur.kernels.push_decode import ContentEncoding, PushFormat, PushLimits, decode_push
from lodur.kernels.segment import Segment, write_segment
from lodur.model.clock import ManualClock
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.sources import Source
from tests.oracles.logql.generate_entries import BASE_NS, SPAN_S
from tests.oracles.logql.row import Entry

TENANT = TenantId("t")
DAY_NS = 86_400 * 10**9
LIMITS = QueryLimits(series_max=0, entries_max=0, length_max_ns=0, approx_topk_enabled=True)
CODECS = ("zstd", "snappy", "none", "gzip", "lz4")


class FixedStore:
    """Sources that stay what they are."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    async def sources(self, tenant: TenantId, start_ns: int, end_ns: int) -> Sequence[Source]:
        return self._sources


def make_engines(entries: Sequence[Entry], directory: Path) -> dict[str, Engine]:
    """An engine for each layout, by its name. Entries are held in the order given; `directory` takes the segments."""
    third = len(entries) // 3
    parts = _without_repetitions([entries[:third], entries[third : 2 * third], entries[2 * third :]])
    segments = [_segment(part, directory / f"{number}.parquet", number) for number, part in enumerate(parts) if part]
    layouts: Mapping[str, Sequence[Source]] = {
        "head": [_head(entries).snapshot()],
        "segments": segments,
        "mixed": [*segments[:-1], _head(parts[-1]).snapshot()] if segments else [],
    }
    options = QuerierOptions(threads=1)
    clock = ManualClock(BASE_NS + SPAN_S * 10**9)
    return {name: Engine(FixedStore(sources), options, clock, lambda _: LIMITS) for name, sources in layouts.items()}


def _without_repetitions(parts: Sequence[Sequence[Entry]]) -> list[list[Entry]]:
    """Repetitions stay within a part: no two sources hold the same entry."""
    seen: set[Entry] = set()
    left: list[list[Entry]] = []
    for part in parts:
        left.append([entry for entry in part if entry not in seen])
        seen.update(part)
    return left


def _segment(entries: Sequence[Entry], path: Path, number: int) -> Segment:
    frozen = _head(entries).freeze()
    assert frozen is not None
    (day,) = frozen.days()
    codec = CODECS[(len(entries) + number) % len(CODECS)]
    written = write_segment(frozen, path, start_ns=day * DAY_NS, end_ns=(day + 1) * DAY_NS, codec=codec, zstd_level=1)
    assert written is not None
    return Segment.open_file(path)


def _head(entries: Sequence[Entry]) -> Head:
    head = Head()
    for entry in _runs(entries):
        _insert(head, entry)
    return head


def _runs(entries: Sequence[Entry]) -> list[list[Entry]]:
    """One push for each stretch of entries of one stream: arrival is what it was."""
    runs: list[list[Entry]] = []
    for entry in entries:
        if runs and runs[-1][-1].stream == entry.stream:
            runs[-1].append(entry)
        else:
            runs.append([entry])
    return runs


def _insert(head: Head, entries: Sequence[Entry]) -> None:
    values = [[str(entry.ts_ns), entry.line, dict(entry.metadata)] for entry in entries]
    body = {"streams": [{"stream": dict(entries[0].stream), "values": values}]}
    decoded = decode_push(
        json.dumps(body).encode(),
        format=PushFormat.LOKI_JSON,
        encoding=ContentEncoding.IDENTITY,
        limits=PushLimits(reject_old_samples=False, discover_log_levels=False, discover_service_name=[]),
        now_ns=BASE_NS + SPAN_S * 10**9,
    )
    assert decoded.refusal_text is None
    assert decoded.all_accepted
    head.insert(decoded)
