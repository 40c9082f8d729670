"""Plans of queries: built from the tree, then rewritten by each rule in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from lodur.logql.tree import Query
from lodur.query.plan.building import build_plan
from lodur.query.plan.nodes import LogScan, MetricPlan, Plan
from lodur.query.plan.rules.drop_line_format import drop_line_format
from lodur.query.plan.rules.fold_constants import fold_constants
from lodur.query.plan.rules.push_extreme import push_extreme
from lodur.query.plan.rules.push_sum import push_partial_sum, push_sum

Rule: TypeAlias = Callable[[MetricPlan], MetricPlan]
"""A rewrite; the plan it returns gives the same answer."""

RULES: tuple[Rule, ...] = (drop_line_format, fold_constants, push_sum, push_extreme)
"""What is done to a query of one tenant, in this order."""

RULES_OF_MANY_TENANTS: tuple[Rule, ...] = (drop_line_format, fold_constants, push_partial_sum)
"""The same where each scan gives one result per tenant, told apart by a label: what lies above it adds them up."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What one rule made of the plan before it."""

    rule: str
    plan: Plan


def make_plan(query: Query, *, many_tenants: bool = False) -> Plan:
    """The plan to execute. InvalidRequest for what cannot be executed yet."""
    plan = build_plan(query)
    for rewrite in rewrites(plan, many_tenants=many_tenants):
        plan = rewrite.plan
    return plan


def rewrites(plan: Plan, *, many_tenants: bool = False) -> list[Rewrite]:
    """The plan after each rule."""
    if isinstance(plan, LogScan):
        return []
    done: list[Rewrite] = []
    for rule in RULES_OF_MANY_TENANTS if many_tenants else RULES:
        plan = rule(plan)
        done.append(Rewrite(rule.__name__, plan))
    return done
