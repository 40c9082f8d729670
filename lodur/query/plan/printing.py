"""The printed form of a plan: one node a line, operands indented below it."""

from __future__ import annotations

from typing import assert_never

from lodur.kernels.scan_plan import FromLine
from lodur.kernels.scan_plan import Grouping as ScanGrouping
from lodur.logql.numbers import format_number
from lodur.model.go_strings import quote
from lodur.query.evaluate.grouping import Grouping
from lodur.query.evaluate.matching import ManySide, Matching
from lodur.query.plan.nodes import (
    Absent,
    Aggregate,
    Constant,
    Extremes,
    Join,
    Known,
    LogScan,
    Number,
    Plan,
    RangeScan,
    ReplaceLabel,
    SetOperation,
    Sort,
    WithNumber,
    operands,
)

_FROM = {FromLine.NEVER: "", FromLine.VERBATIM: " in the line", FromLine.UNESCAPED: " in the line, perhaps escaped"}


def format_plan(plan: Plan) -> str:
    """The lines of a plan, each ended by a newline."""
    return "".join(_lines(plan, 0))


def _lines(plan: Plan, depth: int) -> list[str]:
    lines = [f"{'  ' * depth}{_node(plan)}\n"]
    for operand in operands(plan):
        lines += _lines(operand, depth + 1)
    return lines


def _node(plan: Plan) -> str:
    match plan:
        case LogScan():
            return f"Entries {plan.query}{_known(plan.known)}"
        case RangeScan():
            return _range_scan(plan)
        case Absent():
            return f"Absent {plan.labels}"
        case Aggregate():
            return f"Aggregate {plan.op.value} {_grouping(plan.grouping)}"
        case Extremes():
            return f"{'Largest' if plan.largest else 'Smallest'} {plan.k} {_grouping(plan.grouping)}"
        case Sort():
            return f"Sort {'descending' if plan.descending else 'ascending'}"
        case ReplaceLabel():
            return f"Label {plan.target} = {quote(plan.replacement)} of {plan.source} =~ {quote(plan.regexp)}"
        case WithNumber():
            number = format_number(plan.number)
            sides = f"{number} {plan.op.value} series" if plan.number_left else f"series {plan.op.value} {number}"
            return f"Compute {sides}{' as 0 or 1' if plan.as_number else ''}"
        case Join():
            return f"Join {plan.op.value} {_matching(plan.matching)}{' as 0 or 1' if plan.as_number else ''}"
        case SetOperation():
            return f"Set {plan.op.value} {_grouping(plan.grouping)}"
        case Number():
            return f"Number {format_number(plan.value)}"
        case Constant():
            return f"Constant {format_number(plan.value)}"
        case _:
            assert_never(plan)


def _range_scan(plan: RangeScan) -> str:
    parameter = "" if plan.parameter is None else f" {format_number(plan.parameter)}"
    return f"Scan {plan.op.value}{parameter} {_scan_grouping(plan.grouping)} of {plan.source}{_known(plan.known)}"


def _known(known: Known) -> str:
    """What a scan may skip by: tests of which every row meets one, and what that says of its line."""
    needs = "".join(f" needing {' or '.join(map(str, need.tests))}{_FROM[need.from_line]}" for need in known.needs)
    return needs + (" which no row passes" if known.is_empty else "")


def _scan_grouping(grouping: ScanGrouping) -> str:
    return "by all labels" if grouping.mode == "all" else f"{grouping.mode} ({', '.join(grouping.names)})"


def _grouping(grouping: Grouping) -> str:
    return f"{'without' if grouping.without else 'by'} ({', '.join(sorted(grouping.names))})"


def _matching(matching: Matching) -> str:
    text = f"{'on' if matching.on else 'ignoring'} ({', '.join(sorted(matching.names))})"
    if matching.many is None:
        return text
    side = "group_left" if matching.many is ManySide.LEFT else "group_right"
    return f"{text} {side} ({', '.join(matching.include)})"
