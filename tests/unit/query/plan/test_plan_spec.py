"""Plans compared as text: what is built from a query, and what each rule makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lodur.logql.parser import parse_query
from lodur.query.explain import explain
from lodur.query.plan.building import build_plan
from lodur.query.plan.nodes import LogScan, Plan
from lodur.query.plan.planner import RULES, RULES_OF_MANY_TENANTS, make_plan
from lodur.query.plan.printing import format_plan

SPEC = Path(__file__).parents[3] / "spec" / "plan"
RULES_BY_NAME = {rule.__name__: rule for rule in (*RULES, *RULES_OF_MANY_TENANTS)}


def cases(name: str) -> list[tuple[str, str]]:
    """Queries with their expected plans."""
    blocks = (SPEC / f"{name}.txt").read_text().split("=== ")[1:]
    return [(query, plan) for query, _, plan in (block.partition("\n") for block in blocks)]


def with_rule(name: str) -> Callable[[Plan], Plan]:
    def apply(plan: Plan) -> Plan:
        assert not isinstance(plan, LogScan)
        return RULES_BY_NAME[name](plan)

    return apply


def test_every_rule_has_cases() -> None:
    assert {path.stem for path in SPEC.glob("*.txt")} == {*RULES_BY_NAME, "build"}


@pytest.mark.parametrize(("query", "expected"), cases("build"))
def test_build(query: str, expected: str) -> None:
    assert format_plan(build_plan(parse_query(query))) == expected


@pytest.mark.parametrize("rule", RULES_BY_NAME)
def test_rule(rule: str) -> None:
    for query, expected in cases(rule):
        plan = with_rule(rule)(build_plan(parse_query(query)))
        assert format_plan(plan) == expected
        assert with_rule(rule)(plan) == plan


def test_many_tenants_keep_the_sum_that_adds_up_their_scans() -> None:
    query = parse_query('sum by (app) (rate({app="x"}[1m]))')
    assert format_plan(make_plan(query)) == 'Scan rate by (app) of {app="x"}[1m]\n'
    assert format_plan(make_plan(query, many_tenants=True)).startswith("Aggregate sum by (app)\n  Scan rate by (app)")


def test_explain_shows_each_change() -> None:
    assert explain('sum(rate({app="x"}[1m])) + (vector(1) + 1)') == (
        "plan as written\n"
        "Join + ignoring ()\n"
        "  Aggregate sum by ()\n"
        '    Scan rate by all labels of {app="x"}[1m]\n'
        "  Compute series + 1\n"
        "    Constant 1\n"
        "\n"
        "after fold_constants\n"
        "Join + ignoring ()\n"
        "  Aggregate sum by ()\n"
        '    Scan rate by all labels of {app="x"}[1m]\n'
        "  Constant 2\n"
        "\n"
        "after push_sum\n"
        "Join + ignoring ()\n"
        '  Scan rate by () of {app="x"}[1m]\n'
        "  Constant 2\n"
    )
