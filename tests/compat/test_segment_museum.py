"""Segments written by every version of the format read back the same entries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lodur.kernels.plan import LineFilter, LineFilterOp, LineText, PipelinePlan
from lodur.kernels.scan import Cancel, Scan
from lodur.kernels.scan_plan import Logs, ScanPlan, encode
from lodur.kernels.segment import Segment

MUSEUM = Path(__file__).parent / "segment"

EVERYTHING = ScanPlan(
    matchers=(),
    pipeline=PipelinePlan(stages=(), unwrap=None),
    task=Logs(start_ns=0, end_ns=2**62, limit=10_000, backward=False),
)


def read_streams(path: Path) -> object:
    """All entries of a segment as the categorised JSON of a log query."""
    result = Scan.compile(encode(EVERYTHING)).run_logs(
        [Segment.open_file(path)], cancel=Cancel(), threads=1, bytes_max=2**30
    )
    return json.loads(result.streams_json(categorize=True))


@pytest.mark.parametrize("version", sorted(path.name for path in MUSEUM.iterdir()))
def test_a_segment_of_each_version_reads_back(version: str) -> None:
    expected = json.loads((MUSEUM / version / "entries.json").read_text("utf-8"))
    assert read_streams(MUSEUM / version / "entries.parquet") == expected


@pytest.mark.parametrize("version", sorted(path.name for path in MUSEUM.iterdir()))
def test_the_gram_filter_of_each_version_is_asked(version: str) -> None:
    segment = Segment.open_file(MUSEUM / version / "entries.parquet")
    lines = [
        line
        for stream in json.loads((MUSEUM / version / "entries.json").read_text("utf-8"))
        for _, line, _ in stream["values"]
    ]
    for needle in (lines[0], "no such text"):
        contains = LineFilter(op=LineFilterOp.CONTAINS, matches=(LineText(needle),))
        plan = ScanPlan(matchers=(), pipeline=PipelinePlan(stages=(contains,), unwrap=None), task=EVERYTHING.task)
        result = Scan.compile(encode(plan)).run_logs([segment], cancel=Cancel(), threads=1, bytes_max=2**30)
        assert result.entries == lines.count(needle)
        assert (result.stats.blocks_read > 0) == (needle in lines)
