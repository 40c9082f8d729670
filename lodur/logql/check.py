"""The rules of LogQL that its grammar cannot say: what may be aggregated how, and that a selector chooses something.

`check_query` raises QuerySyntaxError with the reference's texts. Single words (regular expressions, addresses, paths,
patterns) were checked when they were read, for the tree holds them taken apart.
"""

from __future__ import annotations

from typing import assert_never

from lodur.logql.numbers import format_number
from lodur.logql.operators import RangeOp, VectorOp
from lodur.logql.regexp_syntax import RegexpSyntaxError, parse_regexp
from lodur.logql.selector import Selector, can_match_empty
from lodur.logql.stages import Stage
from lodur.logql.stages.label_format import LabelFormat, LabelTemplate
from lodur.logql.stages.line_format import LineFormat
from lodur.logql.template_syntax import TemplateSyntaxError, check_template
from lodur.logql.tree import (
    BinaryOperation,
    LabelReplace,
    Literal,
    LogQuery,
    LogRange,
    Query,
    RangeAggregation,
    Variants,
    VectorAggregation,
    VectorLiteral,
)
from lodur.model.errors import QuerySyntaxError, Span
from lodur.model.matcher import MatchOp

ERROR_LABEL = "__error__"
"""The label that marks an entry whose processing failed; queries may read it, not make it."""

_NEEDS_UNWRAP = frozenset(
    {
        RangeOp.AVG_OVER_TIME,
        RangeOp.SUM_OVER_TIME,
        RangeOp.MIN_OVER_TIME,
        RangeOp.MAX_OVER_TIME,
        RangeOp.STDDEV_OVER_TIME,
        RangeOp.STDVAR_OVER_TIME,
        RangeOp.QUANTILE_OVER_TIME,
        RangeOp.FIRST_OVER_TIME,
        RangeOp.LAST_OVER_TIME,
        RangeOp.RATE_COUNTER,
    }
)
_REFUSES_UNWRAP = frozenset({RangeOp.COUNT_OVER_TIME, RangeOp.BYTES_OVER_TIME, RangeOp.BYTES_RATE})
_TAKES_GROUPING = _NEEDS_UNWRAP - {RangeOp.SUM_OVER_TIME, RangeOp.RATE_COUNTER}
_EMPTY_COMPATIBLE = (
    "queries require at least one regexp or equality matcher that does not have an empty-compatible value. "
    'For instance, app=~".*" does not meet this requirement, but app=~".+" will'
)


def check_query(query: Query, text: str) -> None:
    """Check a tree read from `text`; QuerySyntaxError if a rule is broken."""
    match query:
        case LogQuery():
            check_selector(query.selector, text)
            _check_stages(query.stages, text)
        case RangeAggregation():
            _check_range_aggregation(query, text)
        case VectorAggregation():
            _check_vector_aggregation(query, text)
            check_query(query.operand, text)
        case BinaryOperation():
            check_query(query.left, text)
            check_query(query.right, text)
        case LabelReplace():
            _check_label_replace(query, text)
            check_query(query.operand, text)
        case Variants():
            for variant in query.queries:
                check_query(variant, text)
            _check_log_range(query.log_range, text)
        case Literal() | VectorLiteral():
            return
        case _:
            assert_never(query)


def check_selector(selector: Selector, text: str) -> None:
    """One matcher at least must refuse streams without its label."""
    if all(can_match_empty(matcher) for matcher in selector.matchers):
        raise _error(_EMPTY_COMPATIBLE, text, selector.span)


def check_series_selector(selector: Selector, text: str) -> None:
    """Listing series asks for less: no matcher at all, or one that is not a regular expression for anything."""
    matchers = selector.matchers
    if matchers and all(matcher.op is MatchOp.MATCHES and can_match_empty(matcher) for matcher in matchers):
        raise _error(_EMPTY_COMPATIBLE, text, selector.span)


def _check_range_aggregation(query: RangeAggregation, text: str) -> None:
    op, span = query.op, query.span
    if op is RangeOp.QUANTILE_OVER_TIME:
        if query.parameter is None:
            raise _error(f"parameter required for operation {op.value}", text, span)
    elif query.parameter is not None:
        parameter = format_number(query.parameter)
        raise _error(f"parameter {parameter} not supported for operation {op.value}", text, span)
    if query.grouping is not None and op not in _TAKES_GROUPING:
        raise _error(f"grouping not allowed for {op.value} aggregation", text, query.grouping.span)
    unwrap = query.log_range.unwrap
    if unwrap is None and op in _NEEDS_UNWRAP:
        raise _error(f"invalid aggregation {op.value} without unwrap", text, span)
    if unwrap is not None and op in _REFUSES_UNWRAP:
        raise _error(f"invalid aggregation {op.value} with unwrap", text, unwrap.span)
    _check_log_range(query.log_range, text)


def _check_log_range(log_range: LogRange, text: str) -> None:
    check_selector(log_range.selector, text)
    _check_stages(log_range.stages, text)


def _check_vector_aggregation(query: VectorAggregation, text: str) -> None:
    if query.grouping is None:
        return
    if query.op in (VectorOp.SORT, VectorOp.SORT_DESC):
        raise _error("sort and sort_desc doesn't allow grouping by ", text, query.grouping.span)
    if query.op is VectorOp.APPROX_TOPK:
        raise _error(f"grouping not allowed for {query.op.value} aggregation", text, query.grouping.span)


def _check_label_replace(query: LabelReplace, text: str) -> None:
    try:
        parse_regexp(f"^(?:{query.regexp})$")
    except RegexpSyntaxError as error:
        raise _error(f"invalid regex in label_replace: {error}", text, query.span) from error


def _check_stages(stages: tuple[Stage, ...], text: str) -> None:
    for stage in stages:
        try:
            if isinstance(stage, LineFormat):
                _check_line_format(stage)
            elif isinstance(stage, LabelFormat):
                _check_label_format(stage)
        except ValueError as error:
            raise _error(f"stage '{stage}' : {error}", text, stage.span) from error


def _check_line_format(stage: LineFormat) -> None:
    try:
        check_template(stage.template, "line")
    except TemplateSyntaxError as error:
        raise ValueError(f"invalid line template: {error}") from error


def _check_label_format(stage: LabelFormat) -> None:
    names: set[str] = set()
    for change in stage.changes:
        if change.name == ERROR_LABEL:
            raise ValueError(f"{ERROR_LABEL} cannot be formatted")
        if change.name in names:
            raise ValueError(f"multiple label name '{change.name}' not allowed in a single format operation")
        names.add(change.name)
        if isinstance(change, LabelTemplate):
            try:
                check_template(change.template, "label")
            except TemplateSyntaxError as error:
                raise ValueError(f"invalid template for label '{change.name}': {error}") from error


def _error(reason: str, text: str, span: Span) -> QuerySyntaxError:
    return QuerySyntaxError(f"parse error : {reason}", query=text, span=span)
