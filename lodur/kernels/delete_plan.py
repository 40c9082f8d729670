"""The plan message of a delete request. Mirrors rust/lodur-kernels/src/deletes/plan.rs field by field."""

from __future__ import annotations

import msgspec

from lodur.kernels.plan import PipelinePlan
from lodur.kernels.scan_plan import StreamMatcher

DELETE_PLAN_VERSION = 1
"""Raised with every change of meaning or shape; both sides refuse any other."""


class DeletePlan(msgspec.Struct, frozen=True):
    """Entries of the streams that all matchers accept, with `start_ns <= timestamp < end_ns`, that the pipeline lets
    pass. Without stages all entries are meant, and whole streams go without being read."""

    matchers: tuple[StreamMatcher, ...]
    pipeline: PipelinePlan
    start_ns: int
    end_ns: int
    version: int = DELETE_PLAN_VERSION


def encode(plan: DeletePlan) -> bytes:
    """The MessagePack message of a plan."""
    return msgspec.msgpack.encode(plan)
