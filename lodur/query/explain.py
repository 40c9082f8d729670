"""`lodur query --explain`: how a query would be executed, as text."""

from __future__ import annotations

from lodur.logql.parser import parse_query
from lodur.query.plan.building import build_plan
from lodur.query.plan.planner import rewrites
from lodur.query.plan.printing import format_plan


def explain(query_text: str) -> str:
    """The plan as written, and after each rule that changes it. Raises QuerySyntaxError and InvalidRequest."""
    plan = build_plan(parse_query(query_text))
    parts = [f"plan as written\n{format_plan(plan)}"]
    for rewrite in rewrites(plan):
        if rewrite.plan != plan:
            plan = rewrite.plan
            parts.append(f"after {rewrite.rule}\n{format_plan(plan)}")
    return "\n".join(parts)
