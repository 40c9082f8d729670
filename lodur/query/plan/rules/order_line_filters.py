"""Test lines before anything is made of them: line filters first, those that are cheap before those that are not.

Line filters go where Loki evaluates them: before parsers and what only adds, drops or keeps labels, even before
`decolorize`. They go before label filters too, as long as no stage before has changed the line.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import assert_never

from lodur.logql.stages import Stage
from lodur.logql.stages.decolorize import Decolorize
from lodur.logql.stages.drop_labels import DropLabels
from lodur.logql.stages.json_parser import JsonParser
from lodur.logql.stages.keep_labels import KeepLabels
from lodur.logql.stages.label_filter import LabelFilter
from lodur.logql.stages.label_format import LabelFormat
from lodur.logql.stages.line_filter import LineAddress, LineFilter, LineFilterOp
from lodur.logql.stages.line_format import LineFormat
from lodur.logql.stages.logfmt_parser import LogfmtParser
from lodur.logql.stages.pattern_parser import PatternParser
from lodur.logql.stages.regexp_parser import RegexpParser
from lodur.logql.stages.unpack_parser import UnpackParser
from lodur.query.plan.nodes import LogScan, Plan, RangeScan, rewrite_scans

_COSTS = {
    LineFilterOp.CONTAINS: 0,
    LineFilterOp.FITS: 1,
    LineFilterOp.MATCHES: 2,
    LineFilterOp.NOT_CONTAINS: 3,
    LineFilterOp.NOT_FITS: 4,
    LineFilterOp.NOT_MATCHES: 5,
}
"""What keeps few lines goes before what keeps most, a search for text before a regular expression."""

_ADDRESS_COST = 6


def order_line_filters(plan: Plan) -> Plan:
    """Move line filters forward; the rows that pass, and what becomes of them, stay the same."""
    return rewrite_scans(plan, _of_logs, _of_ranges)


def _of_logs(scan: LogScan) -> LogScan:
    return replace(scan, query=replace(scan.query, stages=ordered(scan.query.stages)))


def _of_ranges(scan: RangeScan) -> RangeScan:
    return replace(scan, source=replace(scan.source, stages=ordered(scan.source.stages)))


def ordered(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages with their line filters as early as they may be evaluated."""
    moved: list[Stage] = []
    barrier = 0
    is_changed = False
    for stage in stages:
        if isinstance(stage, LineFilter):
            moved.insert(barrier, stage)
            barrier += 1
            continue
        moved.append(stage)
        changes_line = _changes_line(stage)
        is_passed = isinstance(stage, Decolorize) or (isinstance(stage, LabelFilter) and not is_changed)
        if (changes_line or isinstance(stage, LabelFilter)) and not is_passed:
            barrier = len(moved)
        is_changed = is_changed or changes_line
    runs = (list(run) for _, run in groupby(moved, lambda stage: isinstance(stage, LineFilter)))
    return tuple(stage for run in runs for stage in (sorted(run, key=_cost) if isinstance(run[0], LineFilter) else run))


def _changes_line(stage: Stage) -> bool:
    match stage:
        case UnpackParser() | LineFormat() | Decolorize():
            return True
        case JsonParser() | LogfmtParser() | RegexpParser() | PatternParser() | LabelFormat():
            return False
        case LineFilter() | LabelFilter() | DropLabels() | KeepLabels():
            return False
        case _:
            assert_never(stage)


def _cost(stage: Stage) -> int:
    assert isinstance(stage, LineFilter)
    if any(isinstance(operand, LineAddress) for operand in stage.operands):
        return _ADDRESS_COST
    return _COSTS[stage.op]
