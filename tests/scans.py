"""Plan messages of queries, for tests of what runs them."""

from __future__ import annotations

from lodur.kernels.scan_plan import Logs, ScanPlan
from lodur.logql.parser import parse_query
from lodur.query.plan.lowering import log_scan_plan
from lodur.query.plan.nodes import LogScan
from lodur.query.plan.planner import make_plan


def log_message(text: str, start_ns: int, end_ns: int, *, limit: int = 10_000) -> ScanPlan:
    """The message of a log query over a span."""
    plan = make_plan(parse_query(text))
    assert isinstance(plan, LogScan)
    return log_scan_plan(plan, Logs(start_ns, end_ns, limit, backward=True))
