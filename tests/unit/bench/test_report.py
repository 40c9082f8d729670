from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from bench.bars import FULL_SCAN, Bar, at_most_ms
from bench.compare import pairs, print_comparison
from bench.kept import by_part
from bench.report import (
    Calibrations,
    CorpusFacts,
    Ingest,
    Kept,
    Place,
    QueryFigure,
    Report,
    read_report,
    write_report,
)
from bench.tables import bar_figure, print_report

RAW_BYTES = 512 * 2**20

COUNT = QueryFigure(
    name="count",
    place=Place.SEGMENTS,
    raw_bytes=RAW_BYTES,
    best_s=0.04,
    median_s=0.05,
    cpu_s=0.07,
    rows=120,
    answer_bytes=4000,
)

REPORT = Report(
    build="abc1234",
    cores=2,
    corpus=CorpusFacts(lines=3_000_000, raw_bytes=RAW_BYTES, streams=204),
    calibrations=Calibrations(zstd_cpu_s_per_gb=2.8, zstd_bytes=180_000_000, unpack_search_s=0.5, search_s=0.1),
    ingest=Ingest(
        raw_bytes=RAW_BYTES,
        wall_s=5.0,
        flush_wall_s=1.0,
        cpu_s=4.0,
        peak_bytes=1_000_000_000,
        push_p50_s=0.02,
        push_p99_s=0.09,
        statuses={"204": 505},
    ),
    kept=Kept(lines=120_000_000, timestamps=10_000_000, labels=1_000_000, index=9_500_000),
    queries=(COUNT,),
    failures=(),
)


def printed(report: Report, bars: dict[str, Bar | None]) -> str:
    out = io.StringIO()
    print_report(report, bars, Console(file=out, width=140))
    return out.getvalue()


def row_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if f" {name} " in line)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_report(REPORT, path)
    assert read_report(path) == REPORT


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text('{"build": "abc"}')
    with pytest.raises(msgspec.DecodeError, match="cores"):
        read_report(path)


def test_stored_bytes_fall_into_parts_and_the_rest_is_index() -> None:
    columns = [("timestamp", 10), ("line", 100), ("app", 2), ("stream", 3), ("line", 50), ("structured_metadata", 1)]
    kept = by_part(columns, 200)
    assert kept == Kept(lines=150, timestamps=10, labels=6, index=34)
    assert kept.total == 200


def test_a_bar_of_a_rate_is_held_against_all_raw_bytes() -> None:
    assert bar_figure(COUNT, at_most_ms(60)) == 50.0
    assert bar_figure(COUNT, FULL_SCAN) == pytest.approx(RAW_BYTES / 1e9 / 0.05)


def test_figures_stand_beside_bars_and_calibrations() -> None:
    text = printed(REPORT, {"count": at_most_ms(60)})
    assert "≤ 60 ms ok" in row_of(text, "count")
    assert "0.50 x rg" in row_of(text, "count")
    assert "≤ 10 CPU-s/GB ok" in row_of(text, "CPU of the server, flushed")
    assert "7.45 CPU-s/GB" in row_of(text, "the same where the bars were set")
    assert "≤ 140 MB missed" in row_of(text, "all")
    assert "0.78 x zstd -1" in row_of(text, "all")


def test_bars_are_for_their_corpus_and_for_segments() -> None:
    small = replace(REPORT, corpus=replace(REPORT.corpus, raw_bytes=RAW_BYTES // 8))
    assert "≤ " not in printed(small, {"count": at_most_ms(60)})
    in_head = replace(REPORT, queries=(replace(COUNT, place=Place.HEAD, raw_bytes=RAW_BYTES // 4),))
    row = row_of(printed(in_head, {"count": at_most_ms(60)}), "count")
    assert "≤" not in row
    assert "2.00 x rg" in row


def test_without_tools_there_are_no_ratios() -> None:
    text = printed(replace(REPORT, calibrations=Calibrations(None, None, None, None)), {})
    assert " x " not in text
    assert "count" in text


def test_failures_are_printed_as_they_are() -> None:
    assert "failed: count from head: 500 [/b]" in printed(replace(REPORT, failures=("count from head: 500 [/b]",)), {})


def test_reports_are_compared_where_both_have_a_figure() -> None:
    head = replace(COUNT, place=Place.HEAD)
    faster = replace(COUNT, median_s=0.025, cpu_s=0.069)
    found = {pair.name: pair for pair in pairs(REPORT, replace(REPORT, queries=(head, faster)))}
    assert found["segments: count"].change == -0.5
    assert found["segments: count"].is_better() is True
    assert found["segments: count, CPU"].is_better() is None
    assert "head: count" not in found


def test_of_a_rate_more_is_better() -> None:
    slower = replace(REPORT, ingest=replace(REPORT.ingest, wall_s=10.0))
    found = {pair.name: pair for pair in pairs(REPORT, slower)}
    assert found["ingest rate"].is_better() is False
    assert found["ingest CPU"].is_better() is None


def test_a_comparison_of_different_corpora_says_so() -> None:
    out = io.StringIO()
    other = replace(REPORT, build="def5678", corpus=replace(REPORT.corpus, streams=3))
    print_comparison(REPORT, other, Console(file=out, width=140))
    assert "the corpora differ" in out.getvalue()
    assert "abc1234 → def5678" in out.getvalue()
