"""The plan message of a scan: what `Scan.compile` reads. Mirrors rust/lodur-kernels/src/scan/plan.rs field by field."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from lodur.kernels.plan import MatchOp, PipelinePlan

SCAN_PLAN_VERSION = 2
"""Raised with every change of meaning or shape; both sides refuse any other."""


class StreamMatcher(msgspec.Struct, frozen=True):
    """One test of a stream label; regular expressions are anchored."""

    name: str
    op: MatchOp
    value: str


class RangeOp(StrEnum):
    """Range aggregations. `RATE` with an unwrap is the sum over the window's seconds."""

    COUNT = "count"
    RATE = "rate"
    BYTES = "bytes"
    BYTES_RATE = "bytes_rate"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    STDVAR = "stdvar"
    STDDEV = "stddev"
    FIRST = "first"
    LAST = "last"
    QUANTILE = "quantile"
    RATE_COUNTER = "rate_counter"


class Grouping(msgspec.Struct, frozen=True):
    """Labels of the result series: all of an entry, only `names`, or all without `names`."""

    mode: Literal["all", "by", "without"]
    names: tuple[str, ...] = ()


class Logs(msgspec.Struct, frozen=True, tag="logs"):
    """Entries with `start_ns <= timestamp < end_ns`, the first `limit` in the direction."""

    start_ns: int
    end_ns: int
    limit: int
    backward: bool
    interval_ns: int = 0


class Metric(msgspec.Struct, frozen=True, tag="metric"):
    """One value a step: at `start_ns + k * step_ns` over the window `(t - offset - range, t - offset]`."""

    op: RangeOp
    grouping: Grouping
    start_ns: int
    step_ns: int
    steps: int
    range_ns: int
    offset_ns: int
    series_max: int
    parameter: float | None = None


class FromLine(StrEnum):
    """How the values of labels come from lines: not at all, as they stand there, or perhaps with escapes undone."""

    NEVER = "never"
    VERBATIM = "verbatim"
    UNESCAPED = "unescaped"


class LabelTest(msgspec.Struct, frozen=True):
    """The test of a label filter on the text of a label."""

    name: str
    op: MatchOp
    value: str


class Need(msgspec.Struct, frozen=True):
    """What every row meets that the pipeline lets pass: one of the tests, by a label of its stream, of its metadata, or
    parsed from its line. Scans use it to skip; the pipeline tests all the same."""

    tests: tuple[LabelTest, ...]
    from_line: FromLine


class ScanPlan(msgspec.Struct, frozen=True):
    """A pipeline over the streams that all matchers accept."""

    matchers: tuple[StreamMatcher, ...]
    pipeline: PipelinePlan
    task: Logs | Metric
    needs: tuple[Need, ...] = ()
    version: int = SCAN_PLAN_VERSION


def encode(plan: ScanPlan) -> bytes:
    """The MessagePack message of a plan."""
    return msgspec.msgpack.encode(plan)


def encode_matchers(matchers: tuple[StreamMatcher, ...]) -> bytes:
    """The MessagePack list of a selector's matchers."""
    return msgspec.msgpack.encode(matchers)
