"""The expressions of rules, asked of the query engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from lodur.model.label_set import LabelSet
from lodur.model.tenant import TenantId
from lodur.query.answers import ScalarAnswer, VectorAnswer
from lodur.query.engine import Engine
from lodur.query.requests import InstantRequest

TAGS = (("source", "ruler"),)
"""What rules say about themselves: policies and the log of queries may look at it."""

Vector: TypeAlias = list[tuple[LabelSet, float]]
"""Series with their values at one time."""

Ask: TypeAlias = Callable[[TenantId, str, int], Awaitable[Vector]]
"""Evaluate an expression for a tenant at a time in nanoseconds. Raises LodurError."""


@dataclass(frozen=True, slots=True)
class EngineQueries:
    """`Ask` by an engine."""

    engine: Engine

    async def __call__(self, tenant: TenantId, expr: str, time_ns: int) -> Vector:
        answer = await self.engine.instant((tenant,), InstantRequest(expr, time_ns, TAGS))
        match answer:
            case ScalarAnswer(value=value):
                return [(LabelSet(), value)]
            case VectorAnswer(matrix=matrix):
                values = matrix.values[:, 0].tolist()
                present = matrix.present[:, 0].tolist()
                return [
                    (labels, value)
                    for labels, value, is_there in zip(matrix.labels, values, present, strict=True)
                    if is_there
                ]
