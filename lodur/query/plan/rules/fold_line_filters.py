"""Decide line filters that need no line: those that keep all, those that keep none, and those that others imply.

Works on line filters that stand side by side, as `order_line_filters` leaves them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from lodur.logql.stages import Stage
from lodur.logql.stages.line_filter import LineFilter, LineFilterOp, LineText
from lodur.query.plan.nodes import LogScan, Plan, RangeScan, rewrite_scans

_ANYTHING = {
    LineFilterOp.CONTAINS: ("",),
    LineFilterOp.NOT_CONTAINS: ("",),
    LineFilterOp.MATCHES: ("", ".*"),
    LineFilterOp.NOT_MATCHES: ("", ".*"),
}
"""Operands that are found in every line."""


def fold_line_filters(plan: Plan) -> Plan:
    """Remove line filters that keep every line that the others keep; mark scans of which no line is kept."""
    return rewrite_scans(plan, _of_logs, _of_ranges)


def _of_logs(scan: LogScan) -> LogScan:
    stages, is_empty = _folded(scan.query.stages)
    known = replace(scan.known, is_empty=scan.known.is_empty or is_empty)
    return replace(scan, query=replace(scan.query, stages=stages), known=known)


def _of_ranges(scan: RangeScan) -> RangeScan:
    stages, is_empty = _folded(scan.source.stages)
    known = replace(scan.known, is_empty=scan.known.is_empty or is_empty)
    return replace(scan, source=replace(scan.source, stages=stages), known=known)


def _folded(stages: tuple[Stage, ...]) -> tuple[tuple[Stage, ...], bool]:
    """The stages that are left, and whether no row passes them."""
    left: list[Stage] = []
    is_empty = False
    for is_filter, run in groupby(stages, lambda stage: isinstance(stage, LineFilter)):
        if not is_filter:
            left += run
            continue
        kept: list[LineFilter] = []
        for stage in run:
            assert isinstance(stage, LineFilter)
            if not _finds_everywhere(stage):
                kept = _with(kept, stage)
            elif stage.op.is_negative:
                is_empty = True
                kept.append(stage)
        left += kept
    return tuple(left), is_empty


def _with(kept: list[LineFilter], stage: LineFilter) -> list[LineFilter]:
    """The filters with one more, without those that others imply."""
    if any(_implies(other, stage) for other in kept):
        return kept
    return [*(other for other in kept if not _implies(stage, other)), stage]


def _finds_everywhere(stage: LineFilter) -> bool:
    found = _ANYTHING.get(stage.op, ())
    return any(isinstance(operand, LineText) and operand.text in found for operand in stage.operands)


def _implies(one: LineFilter, other: LineFilter) -> bool:
    """Whether every line that `one` keeps is kept by `other`."""
    if one == other:
        return True
    if one.op is not other.op or one.op not in (LineFilterOp.CONTAINS, LineFilterOp.NOT_CONTAINS):
        return False
    narrow, wide = (one, other) if one.op is LineFilterOp.CONTAINS else (other, one)
    # What holds the longer text holds the shorter: each alternative of the narrow one is found with one of the wide.
    return all(any(_holds(text, found) for found in wide.operands) for text in narrow.operands)


def _holds(operand: object, found: object) -> bool:
    return isinstance(operand, LineText) and isinstance(found, LineText) and found.text in operand.text
