"""The plan message of a scan: what `Scan.compile` reads. Mirrors rust/lodur-kernels/src/scan/plan.rs field by field."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from lodur.kernels.plan import MatchOp, PipelinePlan

SCAN_PLAN_VERSION = 1
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


class ScanPlan(msgspec.Struct, frozen=True):
    """A pipeline over the streams that all matchers accept."""

    matchers: tuple[StreamMatcher, ...]
    pipeline: PipelinePlan
    task: Logs | Metric
    version: int = SCAN_PLAN_VERSION


def encode(plan: ScanPlan) -> bytes:
    """The MessagePack message of a plan."""
    return msgspec.msgpack.encode(plan)


def encode_matchers(matchers: tuple[StreamMatcher, ...]) -> bytes:
    """The MessagePack list of a selector's matchers."""
    return msgspec.msgpack.encode(matchers)
