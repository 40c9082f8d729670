"""What scans are sent: the messages that say in the kernels' words what the leaves of a plan say in LogQL's."""

from __future__ import annotations

from typing import assert_never

from lodur.kernels import plan as message
from lodur.kernels.scan_plan import LabelTest, Logs, Metric, Need, ScanPlan, StreamMatcher
from lodur.logql.selector import Selector
from lodur.logql.stages import Stage
from lodur.logql.stages.decolorize import Decolorize
from lodur.logql.stages.drop_labels import DropLabels
from lodur.logql.stages.json_parser import JsonParser
from lodur.logql.stages.keep_labels import KeepLabels
from lodur.logql.stages.label_filter import (
    AddressPredicate,
    AllOf,
    AnyOf,
    BytesPredicate,
    CompareOp,
    DurationPredicate,
    LabelFilter,
    LabelPredicate,
    NumberPredicate,
    StringPredicate,
)
from lodur.logql.stages.label_format import LabelChange, LabelFormat, LabelRename
from lodur.logql.stages.line_filter import LineAddress, LineFilter, LineFilterOp, LineOperand
from lodur.logql.stages.line_format import LineFormat
from lodur.logql.stages.logfmt_parser import LogfmtParser
from lodur.logql.stages.pattern_parser import PatternParser
from lodur.logql.stages.regexp_parser import RegexpParser
from lodur.logql.stages.unpack_parser import UnpackParser
from lodur.logql.stages.unwrap import Unwrap, UnwrapConversion
from lodur.model.byte_size import format_byte_size, parse_byte_size
from lodur.model.durations import NS_PER_HOUR, format_prometheus_duration
from lodur.model.errors import InvalidRequest
from lodur.model.matcher import Matcher, MatchOp
from lodur.query.plan.nodes import Known, LogScan, RangeScan

WINDOW_MAX_NS = 50 * 365 * 24 * NS_PER_HOUR
"""Longest window and offset: with any time of day within a century of now, sums stay far within 64 bits."""

STEPS_END_NS = 1 << 62
"""Steps end before this (in the year 2116), again so that sums stay within 64 bits."""

_MATCH_OPS = {
    MatchOp.EQUAL: message.MatchOp.EQUAL,
    MatchOp.NOT_EQUAL: message.MatchOp.NOT_EQUAL,
    MatchOp.MATCHES: message.MatchOp.REGEX,
    MatchOp.NOT_MATCHES: message.MatchOp.NOT_REGEX,
}
_LINE_OPS = {
    LineFilterOp.CONTAINS: message.LineFilterOp.CONTAINS,
    LineFilterOp.NOT_CONTAINS: message.LineFilterOp.NOT_CONTAINS,
    LineFilterOp.MATCHES: message.LineFilterOp.MATCHES,
    LineFilterOp.NOT_MATCHES: message.LineFilterOp.NOT_MATCHES,
    LineFilterOp.FITS: message.LineFilterOp.PATTERN,
    LineFilterOp.NOT_FITS: message.LineFilterOp.NOT_PATTERN,
}
_COMPARE_OPS = {
    CompareOp.EQUAL: message.CompareOp.EQUAL,
    CompareOp.NOT_EQUAL: message.CompareOp.NOT_EQUAL,
    CompareOp.GREATER: message.CompareOp.GREATER,
    CompareOp.GREATER_OR_EQUAL: message.CompareOp.GREATER_OR_EQUAL,
    CompareOp.LESS: message.CompareOp.LESS,
    CompareOp.LESS_OR_EQUAL: message.CompareOp.LESS_OR_EQUAL,
}
_CONVERSIONS = {
    UnwrapConversion.NUMBER: message.Conversion.NUMBER,
    UnwrapConversion.BYTES: message.Conversion.BYTES,
    UnwrapConversion.DURATION: message.Conversion.DURATION_SECONDS,
    UnwrapConversion.DURATION_SECONDS: message.Conversion.DURATION_SECONDS,
}


def log_scan_plan(scan: LogScan, task: Logs) -> ScanPlan:
    """The message of a log query."""
    matchers, pipeline = stream_matchers(scan.query.selector), pipeline_plan(scan.query.stages, None)
    return ScanPlan(matchers, pipeline, task, _needs(scan.known))


def range_scan_plan(scan: RangeScan, *, start_ns: int, step_ns: int, steps: int, series_max: int) -> ScanPlan:
    """The message of a range aggregation at these steps. InvalidRequest where windows or steps are too long."""
    if max(scan.source.range_ns, abs(scan.source.offset_ns)) > WINDOW_MAX_NS:
        raise InvalidRequest(f"ranges and offsets can be at most {format_prometheus_duration(WINDOW_MAX_NS)} long")
    if abs(start_ns) + step_ns * steps >= STEPS_END_NS:
        raise InvalidRequest("the steps of the query end after the year 2116, try a smaller step or an earlier end")
    task = Metric(
        op=scan.op,
        grouping=scan.grouping,
        start_ns=start_ns,
        step_ns=step_ns,
        steps=steps,
        range_ns=scan.source.range_ns,
        offset_ns=scan.source.offset_ns,
        series_max=series_max,
        parameter=scan.parameter,
    )
    source = scan.source
    pipeline = pipeline_plan(source.stages, source.unwrap)
    return ScanPlan(stream_matchers(source.selector), pipeline, task, _needs(scan.known))


def stream_matchers(selector: Selector) -> tuple[StreamMatcher, ...]:
    """The tests of a selector, each once: generated queries repeat them."""
    different = dict.fromkeys((one.name, one.op.value, one.value) for one in selector.matchers)
    return tuple(StreamMatcher(name, _MATCH_OPS[MatchOp(op)], _stored_text(value)) for name, op, value in different)


def _needs(known: Known) -> tuple[Need, ...]:
    return tuple(Need(tuple(map(_label_test, need.tests)), need.from_line) for need in known.needs)


def _label_test(matcher: Matcher) -> LabelTest:
    return LabelTest(matcher.name, _MATCH_OPS[matcher.op], _stored_text(matcher.value))


def _stored_text(text: str) -> str:
    """Text as it would be stored: bytes that are not UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def pipeline_plan(stages: tuple[Stage, ...], unwrap: Unwrap | None) -> message.PipelinePlan:
    """The stages in the order of the query."""
    return message.PipelinePlan(tuple(map(_stage, stages)), None if unwrap is None else _unwrap(unwrap))


def _stage(stage: Stage) -> message.Stage:
    match stage:
        case LineFilter():
            return message.LineFilter(_LINE_OPS[stage.op], tuple(map(_line_operand, stage.operands)))
        case JsonParser():
            return message.Json(
                tuple(message.Extraction(one.name, _stored_text(one.expression)) for one in stage.extractions)
            )
        case LogfmtParser():
            extractions = tuple(message.Extraction(one.name, one.key) for one in stage.extractions)
            return message.Logfmt(stage.strict, stage.keep_empty, extractions)
        case RegexpParser():
            return message.Regexp(_stored_text(stage.regexp))
        case PatternParser():
            return message.Pattern(_stored_text(stage.expression))
        case UnpackParser():
            return message.Unpack()
        case LabelFilter():
            return message.LabelFilter(_predicate(stage.predicate))
        case Decolorize():
            return message.Decolorize()
        case DropLabels():
            return message.Drop(tuple(map(_target, stage.targets)))
        case KeepLabels():
            return message.Keep(tuple(map(_target, stage.targets)))
        case LineFormat():
            return message.LineFormat(_stored_text(stage.template))
        case LabelFormat():
            return message.LabelFormat(tuple(map(_label_change, stage.changes)))
        case _:
            assert_never(stage)


def _label_change(change: LabelChange) -> message.Rename | message.Template:
    if isinstance(change, LabelRename):
        return message.Rename(change.name, change.source)
    return message.Template(change.name, _stored_text(change.template))


def _line_operand(operand: LineOperand) -> message.LineText | message.LineIp:
    if isinstance(operand, LineAddress):
        return message.LineIp(operand.pattern.text)
    return message.LineText(_stored_text(operand.text))


def _predicate(predicate: LabelPredicate) -> message.LabelPredicate:
    match predicate:
        case StringPredicate():
            matcher = predicate.matcher
            return message.Match(matcher.name, _MATCH_OPS[matcher.op], _stored_text(matcher.value))
        case NumberPredicate():
            return message.Number(predicate.name, _COMPARE_OPS[predicate.op], predicate.value)
        case DurationPredicate():
            return message.Duration(predicate.name, _COMPARE_OPS[predicate.op], predicate.value_ns)
        case BytesPredicate():
            return message.Bytes(predicate.name, _COMPARE_OPS[predicate.op], _compared_size(predicate.value_bytes))
        case AddressPredicate():
            return message.Ip(predicate.name, predicate.negative, predicate.pattern.text)
        case AllOf():
            return message.And(tuple(map(_predicate, predicate.terms)))
        case AnyOf():
            return message.Or(tuple(map(_predicate, predicate.terms)))
        case _:
            assert_never(predicate)


def _compared_size(size_bytes: int) -> int:
    """The size that Loki compares with: its queriers read a query from its printed form, which rounds to two digits.

    `1KiB` is `1.0kB` there, so that a filter for it keeps a line of 1000 bytes. Panels show the same lines only if this
    is done here too; see docs/differences.md.
    """
    return parse_byte_size(format_byte_size(size_bytes))


def _target(target: str | Matcher) -> message.LabelTarget:
    if isinstance(target, str):
        return message.LabelTarget(target)
    return message.LabelTarget(target.name, message.ValueMatcher(_MATCH_OPS[target.op], _stored_text(target.value)))


def _unwrap(unwrap: Unwrap) -> message.Unwrap:
    filters = tuple(_predicate(one.predicate) for one in unwrap.filters)
    return message.Unwrap(unwrap.label, _CONVERSIONS[unwrap.conversion], filters)
