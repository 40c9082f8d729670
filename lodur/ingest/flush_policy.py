"""Which heads to flush now: a pure function from sizes and ages to decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lodur.model.tenant import TenantId

PRESSURE_RATIO = 0.5
"""Part of `head_max_bytes` above which the largest heads are flushed: the rest is room for pushes meanwhile."""


CALM_FILL_S = 8.0
"""A head that took longer to fill can be flushed at a low priority: even a third of a core then brings it into a
segment before the next one is full."""


class FlushReason(StrEnum):
    """Why a head is flushed; a label of the metrics."""

    FULL = "full"
    IDLE = "idle"
    MAX_AGE = "max_age"
    PRESSURE = "pressure"
    FORCED = "forced"


@dataclass(frozen=True, slots=True)
class FlushPolicy:
    """The bounds of `IngesterOptions` that matter here."""

    flush_bytes: int
    idle_s: float
    age_s: float
    head_max_bytes: int


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """What is known of a tenant's head; times are monotonic seconds."""

    tenant: TenantId
    bytes: int
    """In the generation that takes rows."""
    flushing_bytes: int
    """In generations that are being flushed."""
    rows: int
    first_row_s: float
    last_row_s: float


@dataclass(frozen=True, slots=True)
class FlushDecision:
    tenant: TenantId
    reason: FlushReason


def plan_flushes(heads: Sequence[HeadFacts], policy: FlushPolicy, now_s: float) -> list[FlushDecision]:
    """Choose the heads to flush. A head that is being flushed already is left alone until that is done."""
    decided: dict[TenantId, FlushReason] = {}
    free = [head for head in heads if head.rows and not head.flushing_bytes]
    for head in free:
        reason = _reason(head, policy, now_s)
        if reason is not None:
            decided[head.tenant] = reason
    total = sum(head.bytes + head.flushing_bytes for head in heads)
    leaving = sum(head.flushing_bytes for head in heads)
    leaving += sum(head.bytes for head in free if head.tenant in decided)
    for head in sorted(free, key=lambda head: head.bytes, reverse=True):
        if total - leaving <= policy.head_max_bytes * PRESSURE_RATIO:
            break
        if head.tenant not in decided:
            decided[head.tenant] = FlushReason.PRESSURE
            leaving += head.bytes
    return [FlushDecision(tenant, reason) for tenant, reason in decided.items()]


def is_calm(decision: FlushDecision, head: HeadFacts, now_s: float) -> bool:
    """Whether a flush that was decided may take its time, since rows come so slowly that it is done before the next."""
    return decision.reason is not FlushReason.PRESSURE and now_s - head.first_row_s >= CALM_FILL_S


def _reason(head: HeadFacts, policy: FlushPolicy, now_s: float) -> FlushReason | None:
    if head.bytes >= policy.flush_bytes:
        return FlushReason.FULL
    if now_s - head.last_row_s >= policy.idle_s:
        return FlushReason.IDLE
    if now_s - head.first_row_s >= policy.age_s:
        return FlushReason.MAX_AGE
    return None
