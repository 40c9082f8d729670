"""Say what label filters ask of a row before it is parsed, so that scans can skip streams, blocks and lines.

`| json | level="error"` keeps no row of a stream whose own label `level` says something else; and where neither stream
nor metadata have such a label, it keeps no row whose line does not hold `error`. Which of the two it is, is seen when
the streams are known; here it is only made sure that nothing between the stored row and the filter makes labels of
anything else: filters behind a stage that rewrites line or labels say nothing, and neither do comparisons of numbers,
which keep rows that they cannot read. The filters stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from lodur.kernels.scan_plan import FromLine
from lodur.logql.stages import Stage
from lodur.logql.stages.drop_labels import DropLabels
from lodur.logql.stages.json_parser import JsonParser
from lodur.logql.stages.label_filter import AllOf, AnyOf, LabelFilter, LabelPredicate, StringPredicate
from lodur.logql.stages.line_filter import LineFilter
from lodur.logql.stages.logfmt_parser import LogfmtParser
from lodur.logql.stages.pattern_parser import PatternParser
from lodur.logql.stages.regexp_parser import RegexpParser
from lodur.logql.stages.unwrap import Unwrap
from lodur.model.matcher import Matcher
from lodur.query.plan.nodes import LogScan, Need, Plan, RangeScan, rewrite_scans

NEEDS_MAX = 16
"""Needs of a scan, and tests of a need, that are named at most: each is asked of every stream."""

_ERROR_PREFIX = "__error"
"""Names of labels that tell what went wrong in an earlier stage."""

_RENAMED_SUFFIX = "_extracted"
"""Ends the name of a label that would stand in another's place; several sources can be meant by it."""


def name_needs(plan: Plan) -> Plan:
    """Add to each scan what its label filters need."""
    return rewrite_scans(plan, _of_logs, _of_ranges)


def _of_logs(scan: LogScan) -> LogScan:
    return replace(scan, known=replace(scan.known, needs=_needs(scan.query.stages, None)))


def _of_ranges(scan: RangeScan) -> RangeScan:
    return replace(scan, known=replace(scan.known, needs=_needs(scan.source.stages, scan.source.unwrap)))


def _needs(stages: tuple[Stage, ...], unwrap: Unwrap | None) -> tuple[Need, ...]:
    found = dict.fromkeys(_found(stages, unwrap))
    return tuple(found)[:NEEDS_MAX]


def _found(stages: tuple[Stage, ...], unwrap: Unwrap | None) -> Iterator[Need]:
    from_line = FromLine.NEVER
    for stage in stages:
        match stage:
            case LineFilter():
                continue
            case JsonParser() | LogfmtParser():
                from_line = FromLine.UNESCAPED
            case RegexpParser() | PatternParser():
                if from_line is FromLine.NEVER:
                    from_line = FromLine.VERBATIM
            case LabelFilter():
                yield from _of_predicate(stage.predicate, from_line)
            case DropLabels() if _drops_errors_alone(stage):
                continue
            case _:
                return
    if unwrap is not None:
        for one in unwrap.filters:
            yield from _of_predicate(one.predicate, from_line)


def _of_predicate(predicate: LabelPredicate, from_line: FromLine) -> Iterator[Need]:
    match predicate:
        case StringPredicate() if _is_plain(predicate.matcher):
            yield Need((predicate.matcher,), from_line)
        case AllOf():
            for term in predicate.terms:
                yield from _of_predicate(term, from_line)
        case AnyOf():
            matchers = tuple(_alternatives(predicate.terms))
            if len(matchers) == len(predicate.terms) <= NEEDS_MAX:
                yield Need(matchers, from_line)
        case _:
            return


def _alternatives(terms: Iterable[LabelPredicate]) -> Iterator[Matcher]:
    for term in terms:
        if isinstance(term, StringPredicate) and _is_plain(term.matcher):
            yield term.matcher


def _is_plain(matcher: Matcher) -> bool:
    """Whether the label is what stream, metadata or line call so."""
    return not matcher.name.startswith(_ERROR_PREFIX) and not matcher.name.endswith(_RENAMED_SUFFIX)


def _drops_errors_alone(stage: DropLabels) -> bool:
    names = (target if isinstance(target, str) else target.name for target in stage.targets)
    return all(name.startswith(_ERROR_PREFIX) for name in names)
