"""Plans compared as text: what is built from a query, and what each rule makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.logql.parser import parse_query
from lodur.query.explain import explain
from lodur.query.plan.building import build_plan
from lodur.query.plan.planner import RULES, RULES_OF_MANY_TENANTS, make_plan
from lodur.query.plan.printing import format_plan

SPEC = Path(__file__).parents[3] / "spec" / "plan"
RULES_BY_NAME = {rule.__name__: rule for rule in (*RULES, *RULES_OF_MANY_TENANTS)}


def cases(name: str) -> list[tuple[str, str]]:
    """Queries with their expected plans."""
    blocks = (SPEC / f"{name}.txt").read_text().split("=== ")[1:]
    return [(query, plan) for query, _, plan in (block.partition("\n") for block in blocks)]


def test_every_rule_has_cases() -> None:
    assert {path.stem for path in SPEC.glob("*.txt")} == {*RULES_BY_NAME, "build"}


@pytest.mark.parametrize(("query", "expected"), cases("build"))
def test_build(query: str, expected: str) -> None:
    assert format_plan(build_plan(parse_query(query))) == expected


@pytest.mark.parametrize("rule", RULES_BY_NAME)
def test_rule(rule: str) -> None:
    for query, expected in cases(rule):
        plan = RULES_BY_NAME[rule](build_plan(parse_query(query)))
        assert format_plan(plan) == expected
        assert RULES_BY_NAME[rule](plan) == plan


def test_many_tenants_keep_the_sum_that_adds_up_their_scans() -> None:
    query = parse_query('sum by (app) (rate({app="x"}[1m]))')
    assert format_plan(make_plan(query)) == 'Scan rate by (app) of {app="x"}[1m]\n'
    assert format_plan(make_plan(query, many_tenants=True)).startswith("Aggregate sum by (app)\n  Scan rate by (app)")


def test_scans_are_shared_once_sums_are_pushed_into_them() -> None:
    query = parse_query(
        'sum by (a) (rate({app="x"}[1m])) / ignoring (a) group_left () sum(count_over_time({app="x"}[1m]))'
    )
    assert format_plan(make_plan(query)) == (
        "Join / ignoring (a) group_left ()\n"
        "  Compute series / 60\n"
        '    Scan count by (a) of {app="x"}[1m]\n'
        "  Aggregate sum by ()\n"
        '    Scan count by (a) of {app="x"}[1m]\n'
    )
    without = format_plan(make_plan(query, without=frozenset({"share_scans"})))
    assert "Scan rate by (a)" in without
    assert "Scan count by ()" in without


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
