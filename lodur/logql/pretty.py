"""Lay a query out for people: on one line where that fits, otherwise a part a line, indented by two blanks a level.

The layout is that of Loki's `format_query`, so that both tools leave each other's files alone, with one difference:
where an operation broken over lines is an operand of one that binds tighter, parentheses keep the meaning. Formatting
a formatted query changes nothing, and the text parses to the tree it came from. Start at `format_query`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import assert_never

from lodur.logql.numbers import format_number
from lodur.logql.operators import BINARY_LEVEL, BinaryOp
from lodur.logql.stages import Stage
from lodur.logql.stages.line_filter import LineFilter
from lodur.logql.stages.unwrap import Unwrap
from lodur.logql.tree import (
    BinaryOperation,
    Grouping,
    LabelReplace,
    Literal,
    LogQuery,
    LogRange,
    MetricQuery,
    Query,
    RangeAggregation,
    Variants,
    VectorAggregation,
    VectorLiteral,
)
from lodur.model.durations import format_go_duration, format_prometheus_duration
from lodur.model.go_strings import quote

LINE_BYTES_MAX = 100
"""A part whose one-line form is longer is broken over lines; the width of Prometheus' printer, and of Loki's."""

_INDENT = "  "


def format_query(query: Query) -> str:
    """The query laid out; no newline at the end."""
    return _pretty(query, 0)


def _pretty(query: Query, level: int) -> str:
    """The lines of `query`, each indented by `level` at least."""
    line = str(query)
    if len(line.encode("utf-8", "surrogatepass")) <= LINE_BYTES_MAX and not isinstance(query, Variants):
        return _indented(line, level)
    match query:
        case LogQuery():
            return "\n".join([_indented(str(query.selector), level), *_stage_lines(query.stages, level + 1)])
        case RangeAggregation():
            parameter = [] if query.parameter is None else [_indented(format_number(query.parameter), level + 1)]
            body = _call(query.op.value, [*parameter, _pretty_range(query.log_range, level + 1)], level)
            return f"{body} {_spaced(query.grouping)}" if query.grouping else body
        case VectorAggregation():
            parameter = [] if query.parameter is None else [_indented(str(query.parameter), level + 1)]
            name = f"{query.op.value} {_spaced(query.grouping)}" if query.grouping else query.op.value
            return _call(name, [*parameter, _pretty(query.operand, level + 1)], level)
        case LabelReplace():
            texts = (query.target, query.replacement, query.source, query.regexp)
            quoted = (_indented(quote(text), level + 1) for text in texts)
            return _call("label_replace", [_pretty(query.operand, level + 1), *quoted], level)
        case BinaryOperation():
            return _pretty_operation(query, level)
        case Variants():
            queries = _call("variants", [_pretty(variant, level + 1) for variant in query.queries], level)
            return f"{queries} of (\n{_pretty_range(query.log_range, level + 1)}\n{_indented(')', level)}"
        case Literal() | VectorLiteral():
            return _indented(line, level)
        case _:
            assert_never(query)


def _pretty_range(log_range: LogRange, level: int) -> str:
    """A window is never broken before its brackets: they end the last line of what they hold."""
    lines = [_pretty(LogQuery(log_range.selector, log_range.stages), level)]
    if log_range.unwrap:
        lines.extend(_unwrap_lines(log_range.unwrap, level + 1))
    offset = f" offset {format_go_duration(log_range.offset_ns)}" if log_range.offset_ns else ""
    return "\n".join(lines) + f" [{format_prometheus_duration(log_range.range_ns)}]{offset}"


def _stage_lines(stages: tuple[Stage, ...], level: int) -> Iterable[str]:
    """A line for each stage; line filters in a row are one."""
    for are_line_filters, group in groupby(stages, key=lambda stage: isinstance(stage, LineFilter)):
        if are_line_filters:
            yield _indented(" ".join(map(str, group)), level)
        else:
            yield from (_indented(str(stage), level) for stage in group)


def _unwrap_lines(unwrap: Unwrap, level: int) -> Iterable[str]:
    yield _indented(str(Unwrap(unwrap.label, unwrap.conversion)), level)
    yield from (_indented(str(label_filter), level) for label_filter in unwrap.filters)


def _pretty_operation(query: BinaryOperation, level: int) -> str:
    right = _pretty_operand(query.right, _binds_looser(query, query.right, is_right=True), level + 1)
    returns_bool = " bool" if query.returns_bool else ""
    matching = f" {query.matching.before(right, ', ')}" if query.matching else ""
    operator = _indented(f"{query.op.value}{returns_bool}{matching}", level)
    return "\n".join(
        [_pretty_operand(query.left, _binds_looser(query, query.left, is_right=False), level + 1), operator, right]
    )


def _pretty_operand(operand: MetricQuery, needs_parentheses: bool, level: int) -> str:
    if not needs_parentheses:
        return _pretty(operand, level)
    # Once, whatever comes of it: to lay each operand out twice would double the work with every level.
    text = _pretty(operand, level + 1)
    if "\n" not in text:
        return text.removeprefix(_INDENT)  # the one-line form of an operation has parentheses of its own
    return f"{_indented('(', level)}\n{text}\n{_indented(')', level)}"


def _binds_looser(parent: BinaryOperation, operand: MetricQuery, *, is_right: bool) -> bool:
    """Whether `operand`, written without parentheses, would be torn apart by the operator of `parent`."""
    if not isinstance(operand, BinaryOperation):
        return False
    inner, outer = BINARY_LEVEL[operand.op], BINARY_LEVEL[parent.op]
    takes_equal = is_right is (parent.op is BinaryOp.POWER)
    return inner < outer or (inner == outer and not takes_equal)


def _call(name: str, arguments: list[str], level: int) -> str:
    """A function with each argument, which is indented already, on lines of its own."""
    inner = ",\n".join(arguments)
    return f"{_indented(name, level)}(\n{inner}\n{_indented(')', level)}"


def _spaced(grouping: Grouping) -> str:
    return f"{'without' if grouping.without else 'by'} ({', '.join(grouping.labels)})"


def _indented(line: str, level: int) -> str:
    return _INDENT * level + line
