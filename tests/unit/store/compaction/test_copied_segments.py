"""Merges that copy blocks: what they write is Parquet that other engines read, and the compactor counts it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from lodur.kernels.compact import Cancel, KeepRules, merge_segments
from lodur.kernels.head import Head
from lodur.kernels.push_decode import ContentEncoding, PushFormat, PushLimits, decode_push
from lodur.kernels.segment import Segment, write_segment
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE
from lodur.store.compaction.options import CompactionPolicy, CompactorOptions
from lodur.store.days import NS_PER_DAY
from tests.compacting_node import Node, Row

NOON_NS = 20_000 * NS_PER_DAY + 12 * NS_PER_HOUR

LINE_BYTES = 64 << 10
"""Of so long lines a few make a run that fills a good part of a block."""

RUN_ROWS = 20

Entry = tuple[str, str, str, dict[str, str]]
"""Application, timestamp, line, structured metadata."""


def entries(number: int, metadata: Sequence[dict[str, str]]) -> list[Entry]:
    """Entries of one flush: two streams, each with a long run."""
    first_ns = NOON_NS + number * NS_PER_MINUTE
    return [
        (app, str(first_ns + at), f"level=info n={number}.{at} ".ljust(LINE_BYTES, "x"), metadata[at % len(metadata)])
        for app in ("a", "b")
        for at in range(RUN_ROWS)
    ]


def segment(path: Path, rows: Sequence[Entry]) -> Segment:
    head = Head()
    values: dict[str, list[tuple[str, str, dict[str, str]]]] = {}
    for app, ts_ns, line, metadata in rows:
        values.setdefault(app, []).append((ts_ns, line, metadata))
    body = {"streams": [{"stream": {"app": app}, "values": lines} for app, lines in values.items()]}
    decoded = decode_push(
        json.dumps(body).encode(),
        format=PushFormat.LOKI_JSON,
        encoding=ContentEncoding.IDENTITY,
        limits=PushLimits(discover_service_name=[], reject_old_samples=False),
        now_ns=NOON_NS,
    )
    head.insert(decoded)
    frozen = head.freeze()
    assert frozen is not None
    assert write_segment(frozen, path, start_ns=0, end_ns=2**62, codec="zstd", zstd_level=1) is not None
    return Segment.open_file(path)


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param([[{}], [{}]], id="none"),
        pytest.param([[{"user": "u"}, {}]] * 2, id="equal dictionaries"),
        pytest.param([[{"user": "u"}], [{"user": "v"}, {"rare": "r"}]], id="different columns"),
        pytest.param([[{"trace": f"{n:032x}"} for n in range(300)]] * 2, id="ids"),
    ],
)
def test_another_engine_reads_what_was_copied(tmp_path: Path, metadata: list[list[dict[str, str]]]) -> None:
    flushed = [entries(number, metadata[number]) for number in range(2)]
    inputs = [segment(tmp_path / f"{number}.parquet", rows) for number, rows in enumerate(flushed)]
    path = tmp_path / "copied.parquet"
    merged = merge_segments(
        inputs,
        path,
        start_ns=0,
        end_ns=2**62,
        keep=KeepRules([], default_from_ns=0),
        codec="zstd",
        zstd_level=1,
        cancel=Cancel(),
    )
    assert (merged.rows_read, merged.rows_copied) == (4 * RUN_ROWS, 4 * RUN_ROWS)
    names = [name for name, _ in Segment.open_file(path).metadata_columns()]
    own = "".join(f", {name}" for name in names)
    found = duckdb.connect().execute(
        f"select app, epoch_ns(timestamp)::varchar, line, detected_level, structured_metadata{own}"
        " from read_parquet($path)",
        {"path": str(path)},
    )
    read = [
        (app, ts_ns, line, level, {**dict(rest or {}), **_present(names, columns)})
        for app, ts_ns, line, level, rest, *columns in found.fetchall()
    ]
    assert read == [(app, ts_ns, line, "info", pairs) for app, ts_ns, line, pairs in [*flushed[0], *flushed[1]]]
    streams = duckdb.connect().execute(
        "select app, count(distinct stream) from read_parquet($path) group by app order by app", {"path": str(path)}
    )
    assert streams.fetchall() == [("a", 1), ("b", 1)]


def _present(names: Sequence[str], values: Sequence[str | None]) -> dict[str, str]:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def test_the_compactor_counts_copied_rows(tmp_path: Path) -> None:
    policy = CompactionPolicy(zstd_level=1, cold_zstd_level=8)
    node = Node(tmp_path, ManualClock(NOON_NS), options=CompactorOptions(policy=policy))
    try:
        pushed: list[Row] = []
        for number in range(8):
            fresh = [(app, int(ts_ns), line) for app, ts_ns, line, _ in entries(number, [{}])]
            node.push(fresh)
            node.flush()
            pushed += fresh
        node.compact()
        (merged,) = node.tenant_store.live()
        assert merged.rows == len(pushed)
        assert node.metric("lodur_compaction_copied_rows_total") == len(pushed)
        assert node.rows() == sorted(pushed)
    finally:
        node.stop()
