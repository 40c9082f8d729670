"""Leave a `line_format` out of a metric query where nobody looks at the line that it makes.

Loki does the same, so that a template which fails there is no error of the query either.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from lodur.kernels.scan_plan import RangeOp
from lodur.logql.stages import Stage
from lodur.logql.stages.decolorize import Decolorize
from lodur.logql.stages.drop_labels import DropLabels
from lodur.logql.stages.json_parser import JsonParser
from lodur.logql.stages.keep_labels import KeepLabels
from lodur.logql.stages.label_filter import LabelFilter
from lodur.logql.stages.label_format import LabelFormat, LabelTemplate
from lodur.logql.stages.line_filter import LineFilter
from lodur.logql.stages.line_format import LineFormat
from lodur.logql.stages.logfmt_parser import LogfmtParser
from lodur.logql.stages.pattern_parser import PatternParser
from lodur.logql.stages.regexp_parser import RegexpParser
from lodur.logql.stages.unpack_parser import UnpackParser
from lodur.query.plan.nodes import MetricPlan, Plan, RangeScan, rewrite

_MEASURES_LINES = frozenset({RangeOp.BYTES, RangeOp.BYTES_RATE})


def drop_line_format(plan: Plan) -> Plan:
    """Remove each `line_format` behind which no stage reads the line, unless its bytes are counted."""
    return rewrite(plan, _dropped)


def _dropped(plan: MetricPlan) -> MetricPlan:
    if not isinstance(plan, RangeScan) or plan.op in _MEASURES_LINES:
        return plan
    kept: list[Stage] = []
    line_is_read = False
    for stage in reversed(plan.source.stages):
        if isinstance(stage, LineFormat) and not line_is_read:
            continue
        line_is_read = line_is_read or _reads_line(stage)
        kept.append(stage)
    if len(kept) == len(plan.source.stages):
        return plan
    return replace(plan, source=replace(plan.source, stages=tuple(reversed(kept))))


def _reads_line(stage: Stage) -> bool:
    match stage:
        case LineFilter() | JsonParser() | LogfmtParser() | RegexpParser() | PatternParser() | UnpackParser():
            return True
        case LabelFormat():
            templates = [change.template for change in stage.changes if isinstance(change, LabelTemplate)]
            return any("__line__" in template for template in templates)
        case LabelFilter() | DropLabels() | KeepLabels() | Decolorize() | LineFormat():
            return False
        case _:
            assert_never(stage)
