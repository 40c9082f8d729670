"""`variants(a, b) of ({…}[5m])` said in other words: each query over the entries that both it and the shared range
choose, labelled with its number, and the series of all of them together.

No node of its own is needed: numbers make the series of two variants differ, so `or` joins them. The scans are run one
by one; equal ones are run once, as in any plan. Start at `variant_queries` and `together`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from lodur.logql.selector import Selector
from lodur.logql.stages import Stage
from lodur.logql.tree import (
    BinaryOperation,
    LabelReplace,
    Literal,
    LogRange,
    MetricQuery,
    RangeAggregation,
    Variants,
    VectorAggregation,
    VectorLiteral,
)
from lodur.query.evaluate.grouping import Grouping
from lodur.query.evaluate.set_operations import SetOp
from lodur.query.plan.nodes import Constant, MetricPlan, Number, ReplaceLabel, SetOperation

VARIANT_LABEL = "__variant__"
"""The label that tells the results of the queries apart: their numbers, from 0 on."""


def variant_queries(query: Variants) -> tuple[MetricQuery, ...]:
    """The queries, each narrowed to the entries of the shared range; windows are those of the queries."""
    return tuple(_narrowed(variant, query.log_range) for variant in query.queries)


def together(plans: Sequence[MetricPlan]) -> MetricPlan:
    """The series of all plans, one at least, each with its number."""
    numbered = [_numbered(plan, str(number)) for number, plan in enumerate(plans)]
    while len(numbered) > 1:  # in pairs, for a tree as low as can be
        pairs = [numbered[at : at + 2] for at in range(0, len(numbered), 2)]
        numbered = [pair[0] if len(pair) == 1 else SetOperation(SetOp.OR, _ALL_LABELS, *pair) for pair in pairs]
    return numbered[0]


_ALL_LABELS = Grouping(without=True)


def _numbered(plan: MetricPlan, number: str) -> MetricPlan:
    series = Constant(plan.value) if isinstance(plan, Number) else plan
    return ReplaceLabel(VARIANT_LABEL, number, VARIANT_LABEL, "(?s).*", series)


def _narrowed(query: MetricQuery, shared: LogRange) -> MetricQuery:
    match query:
        case RangeAggregation():
            return replace(query, log_range=_both(query.log_range, shared))
        case VectorAggregation() | LabelReplace():
            return replace(query, operand=_narrowed(query.operand, shared))
        case BinaryOperation():
            return replace(query, left=_narrowed(query.left, shared), right=_narrowed(query.right, shared))
        case Literal() | VectorLiteral():
            return query
        case _:
            assert_never(query)


def _both(own: LogRange, shared: LogRange) -> LogRange:
    matchers = dict.fromkeys((*shared.selector.matchers, *own.selector.matchers))
    return replace(own, selector=Selector(tuple(matchers)), stages=_both_stages(own.stages, shared.stages))


def _both_stages(own: tuple[Stage, ...], shared: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Queries usually repeat the shared stages, which need not be run twice then."""
    return own if own[: len(shared)] == shared else (*shared, *own)
