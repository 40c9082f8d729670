"""The plan message of a search for patterns. Mirrors rust/lodur-kernels/src/patterns/plan.rs field by field."""

from __future__ import annotations

import msgspec

from lodur.kernels.scan_plan import StreamMatcher

PATTERN_PLAN_VERSION = 1
"""Raised with every change of meaning or shape; both sides refuse any other."""


class PatternPlan(msgspec.Struct, frozen=True):
    """Patterns of the lines with `start_ns <= timestamp < end_ns`, counted by multiples of `step_ns` since the epoch.

    Of `keep_every` blocks one is read and stands for the others; the `patterns_max` patterns of most lines are told.
    """

    matchers: tuple[StreamMatcher, ...]
    start_ns: int
    end_ns: int
    step_ns: int
    patterns_max: int
    keep_every: int = 1
    version: int = PATTERN_PLAN_VERSION


def encode(plan: PatternPlan) -> bytes:
    """The MessagePack message of a plan."""
    return msgspec.msgpack.encode(plan)
