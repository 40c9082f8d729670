"""Plans of queries: built from the tree, then rewritten by each rule in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from lodur.logql.tree import Query
from lodur.query.plan.building import build_plan
from lodur.query.plan.nodes import Plan
from lodur.query.plan.rules.drop_line_format import drop_line_format
from lodur.query.plan.rules.fold_constants import fold_constants
from lodur.query.plan.rules.fold_line_filters import fold_line_filters
from lodur.query.plan.rules.name_needs import name_needs
from lodur.query.plan.rules.order_line_filters import order_line_filters
from lodur.query.plan.rules.push_extreme import push_extreme
from lodur.query.plan.rules.push_sum import push_partial_sum, push_sum
from lodur.query.plan.rules.share_scans import share_scans

Rule: TypeAlias = Callable[[Plan], Plan]
"""A rewrite; the plan it returns gives the same answer."""

RULES: tuple[Rule, ...] = (
    drop_line_format,
    order_line_filters,
    fold_line_filters,
    fold_constants,
    push_sum,
    push_extreme,
    share_scans,
    name_needs,
)
"""What is done to a query of one tenant, in this order."""

RULES_OF_MANY_TENANTS: tuple[Rule, ...] = (
    drop_line_format,
    order_line_filters,
    fold_line_filters,
    fold_constants,
    push_partial_sum,
    name_needs,
)
"""The same where each scan gives one result per tenant, told apart by a label: what lies above it adds them up."""

RULE_NAMES = frozenset(rule.__name__ for rule in (*RULES, *RULES_OF_MANY_TENANTS))
"""The names by which rules can be left out."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What one rule made of the plan before it."""

    rule: str
    plan: Plan


def make_plan(query: Query, *, many_tenants: bool = False, without: frozenset[str] = frozenset()) -> Plan:
    """The plan to execute. InvalidRequest for what cannot be executed yet."""
    return optimised(build_plan(query), many_tenants=many_tenants, without=without)


def optimised(plan: Plan, *, many_tenants: bool = False, without: frozenset[str] = frozenset()) -> Plan:
    """The plan after all rules but those that are left out by name."""
    for rewrite in rewrites(plan, many_tenants=many_tenants, without=without):
        plan = rewrite.plan
    return plan


def rewrites(plan: Plan, *, many_tenants: bool = False, without: frozenset[str] = frozenset()) -> list[Rewrite]:
    """The plan after each rule."""
    assert without <= RULE_NAMES
    done: list[Rewrite] = []
    for rule in RULES_OF_MANY_TENANTS if many_tenants else RULES:
        if rule.__name__ not in without:
            plan = rule(plan)
            done.append(Rewrite(rule.__name__, plan))
    return done
