"""Hypothesis strategies of the values that many tests draw. Start at the one that is named like your type."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

from hypothesis import strategies as st

from lodur.logql.ip_pattern import IpPattern, parse_ip_pattern
from lodur.logql.operators import BinaryOp, GroupSide, RangeOp, VectorOp
from lodur.logql.pattern_expression import PatternCapture, PatternLiteral, PatternPart
from lodur.logql.selector import Selector
from lodur.logql.stages import Stage
from lodur.logql.stages.decolorize import Decolorize
from lodur.logql.stages.drop_labels import DropLabels
from lodur.logql.stages.json_parser import JsonExtraction, JsonParser
from lodur.logql.stages.keep_labels import KeepLabels
from lodur.logql.stages.label_filter import (
    AddressPredicate,
    BytesPredicate,
    CompareOp,
    DurationPredicate,
    LabelFilter,
    LabelPredicate,
    NumberPredicate,
    StringPredicate,
    all_of,
    any_of,
)
from lodur.logql.stages.label_format import LabelChange, LabelFormat, LabelRename, LabelTemplate
from lodur.logql.stages.line_filter import LineAddress, LineFilter, LineFilterOp, LineOperand, LinePattern, LineText
from lodur.logql.stages.line_format import LineFormat
from lodur.logql.stages.logfmt_parser import LogfmtExtraction, LogfmtParser
from lodur.logql.stages.pattern_parser import PatternParser
from lodur.logql.stages.regexp_parser import RegexpParser
from lodur.logql.stages.unpack_parser import UnpackParser
from lodur.logql.stages.unwrap import Unwrap, UnwrapConversion
from lodur.logql.tokens import KEYWORDS
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
    VectorMatching,
)
from lodur.model.durations import NS_PER_MS
from lodur.model.go_strings import quote
from lodur.model.label_set import LabelSet
from lodur.model.matcher import Matcher, MatchOp

label_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
"""Names of labels as pushes may carry them."""

query_label_names = (
    st.sampled_from(["app", "rate", "sum", "vector", "bytes", "duration", "ip", "by_", "__error__", "größe"])
    | label_names
).filter(lambda name: name.lower() not in KEYWORDS)
"""Names of labels that a query can write."""

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12) | st.binary(max_size=6).map(
    lambda raw: raw.decode("utf-8", "surrogateescape")
)
"""Any text, bytes that are not UTF-8 included."""

label_sets = st.dictionaries(label_names, texts, max_size=6).map(LabelSet.of)

regexps = st.recursive(
    st.sampled_from(
        ["a", "", ".", "\\d+", "[a-z]", "[^\\s]", "x{2,3}", "^", "$", "\\bword", "日本", "(?i)b", "\\.", "\\x41"]
    ),
    lambda inner: (
        st.builds("({})".format, inner)
        | st.builds("(?:{})*".format, inner)
        | st.builds("{}|{}".format, inner, inner)
        | st.builds("{}{}".format, inner, inner)
    ),
    max_leaves=6,
)
"""Well-formed RE2 expressions."""

_counts = st.integers(min_value=1, max_value=10**6)
_numbers = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
_signed_numbers = st.floats(allow_nan=False, allow_infinity=False)
_durations_ns = st.integers(min_value=-(2**62), max_value=2**62)


def _some(items: st.SearchStrategy[object], most: int = 3) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(items, min_size=1, max_size=most).map(tuple)


@st.composite
def matchers(draw: st.DrawFn) -> Matcher:
    op = draw(st.sampled_from(MatchOp))
    return Matcher(draw(query_label_names), op, draw(regexps if op.is_regexp else texts))


@st.composite
def selectors(draw: st.DrawFn) -> Selector:
    """Selectors that pass the rule of a matcher that refuses the empty text."""
    choosing = Matcher(draw(query_label_names), MatchOp.EQUAL, draw(texts.filter(bool)))
    return Selector(tuple(draw(st.permutations([choosing, *draw(st.lists(matchers(), max_size=2))]))))


@st.composite
def ip_patterns(draw: st.DrawFn) -> IpPattern:
    address = draw(st.integers(0, 2**32 - 1).map(IPv4Address) | st.integers(0, 2**128 - 1).map(IPv6Address))
    bits = draw(st.integers(0, address.max_prefixlen))
    last = draw(st.integers(int(address), 2**address.max_prefixlen - 1).map(type(address)))
    return parse_ip_pattern(draw(st.sampled_from([str(address), f"{address}/{bits}", f"{address}-{last}"])))


@st.composite
def pattern_parts(draw: st.DrawFn, *, named: bool) -> tuple[PatternPart, ...]:
    literals = st.text(st.characters(codec="utf-8", exclude_characters="<>\x00"), min_size=1, max_size=4)
    parts: list[PatternPart] = []
    for at in range(draw(st.integers(0, 3))):
        parts.append(PatternCapture(f"c{at}" if named and draw(st.booleans()) else ""))
        parts.append(PatternLiteral(draw(literals)))
    if named:
        parts.append(PatternCapture("last"))
    return tuple(parts)


@st.composite
def line_operands(draw: st.DrawFn, op: LineFilterOp) -> LineOperand:
    match op:
        case LineFilterOp.FITS | LineFilterOp.NOT_FITS:
            parts = draw(pattern_parts(named=False))
            return LinePattern("".join(map(str, parts)), parts)
        case LineFilterOp.MATCHES | LineFilterOp.NOT_MATCHES:
            return LineText(draw(regexps))
        case _:
            return LineAddress(draw(ip_patterns())) if draw(st.booleans()) else LineText(draw(texts))


@st.composite
def line_filters(draw: st.DrawFn) -> LineFilter:
    op = draw(st.sampled_from(LineFilterOp))
    return LineFilter(op, tuple(draw(st.lists(line_operands(op), min_size=1, max_size=3))))


@st.composite
def json_extractions(draw: st.DrawFn) -> JsonExtraction:
    keys = st.text(st.characters(codec="utf-8", exclude_characters="\x00\n"), max_size=6)
    path = tuple(draw(st.lists(keys | st.integers(0, 999), min_size=1, max_size=4)))
    written = "".join(f"[{step}]" if isinstance(step, int) else f"[{quote(step)}]" for step in path)
    return JsonExtraction(draw(query_label_names), written, path)


logfmt_extractions = st.builds(LogfmtExtraction, query_label_names, label_names)


@st.composite
def label_formats(draw: st.DrawFn) -> LabelFormat:
    names = draw(
        st.lists(query_label_names.filter(lambda name: name != "__error__"), min_size=1, max_size=3, unique=True)
    )
    changes: list[LabelChange] = []
    for name in names:
        template = LabelTemplate(name, draw(templates))
        changes.append(LabelRename(name, draw(query_label_names)) if draw(st.booleans()) else template)
    return LabelFormat(tuple(changes))


templates = st.sampled_from(["", "{{.a}}", "x{{ .b | upper }}y", '{{ if eq .a "b" }}c{{ else }}d{{ end }}', "a\nb"])
"""Well-formed templates."""

_labels_with_matchers = _some(query_label_names | matchers())

_predicate_leaves: st.SearchStrategy[LabelPredicate] = (
    st.builds(StringPredicate, matchers())
    | st.builds(NumberPredicate, query_label_names, st.sampled_from(CompareOp), _signed_numbers)
    | st.builds(DurationPredicate, query_label_names, st.sampled_from(CompareOp), _durations_ns)
    | st.builds(BytesPredicate, query_label_names, st.sampled_from(CompareOp), st.integers(0, 2**60))
    | st.builds(AddressPredicate, query_label_names, st.booleans(), ip_patterns())
)
label_predicates: st.SearchStrategy[LabelPredicate] = st.recursive(
    _predicate_leaves,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3).map(all_of) | st.lists(inner, min_size=2, max_size=3).map(any_of)
    ),
    max_leaves=6,
)
label_filters = st.builds(LabelFilter, label_predicates)


@st.composite
def _pattern_parsers(draw: st.DrawFn) -> PatternParser:
    parts = draw(pattern_parts(named=True))
    return PatternParser("".join(map(str, parts)), parts)


stages: st.SearchStrategy[Stage] = (
    line_filters()
    | st.builds(JsonParser, st.lists(json_extractions(), max_size=2).map(tuple))
    | st.builds(LogfmtParser, st.booleans(), st.booleans(), st.lists(logfmt_extractions, max_size=2).map(tuple))
    | st.builds(RegexpParser, regexps.map("(?P<n>{})".format), st.just(("n",)))
    | _pattern_parsers()
    | st.just(UnpackParser())
    | label_filters
    | st.builds(LineFormat, templates)
    | label_formats()
    | st.just(Decolorize())
    | st.builds(DropLabels, _labels_with_matchers)
    | st.builds(KeepLabels, _labels_with_matchers)
)
"""Stages of every kind."""


def _can_be_written(pipeline: tuple[Stage, ...]) -> bool:
    """After `drop a` and `keep a`, `!= "b"` is not a line filter but a part of them."""
    for stage, following in pairwise(pipeline):
        ends_bare = isinstance(stage, DropLabels | KeepLabels) and isinstance(stage.targets[-1], str)
        if ends_bare and isinstance(following, LineFilter) and following.op.value in ("!=", "!~"):
            return False
    return True


pipelines = st.lists(stages, max_size=3).map(tuple).filter(_can_be_written)
"""Stages in an order that a text can have."""

log_queries = st.builds(LogQuery, selectors(), pipelines)
unwraps = st.builds(
    Unwrap, query_label_names, st.sampled_from(UnwrapConversion), st.lists(label_filters, max_size=2).map(tuple)
)
groupings = st.builds(Grouping, st.lists(query_label_names, max_size=3).map(tuple), st.booleans())


@st.composite
def log_ranges(draw: st.DrawFn, *, unwrapped: bool) -> LogRange:
    return LogRange(
        draw(selectors()),
        draw(st.integers(0, 10**12)) * NS_PER_MS,
        draw(pipelines),
        draw(unwraps) if unwrapped else None,
        draw(st.just(0) | _durations_ns),
    )


_COUNTING = (
    RangeOp.COUNT_OVER_TIME,
    RangeOp.RATE,
    RangeOp.BYTES_OVER_TIME,
    RangeOp.BYTES_RATE,
    RangeOp.ABSENT_OVER_TIME,
)
_UNGROUPED = (*_COUNTING, RangeOp.SUM_OVER_TIME, RangeOp.RATE_COUNTER)


@st.composite
def range_aggregations(draw: st.DrawFn) -> RangeAggregation:
    op = draw(st.sampled_from(RangeOp))
    parameter = draw(_numbers) if op is RangeOp.QUANTILE_OVER_TIME else None
    grouping = None if op in _UNGROUPED else draw(st.none() | groupings)
    return RangeAggregation(op, draw(log_ranges(unwrapped=op not in _COUNTING)), parameter, grouping)


@st.composite
def _vector_aggregations(draw: st.DrawFn, operand: st.SearchStrategy[MetricQuery]) -> VectorAggregation:
    op = draw(st.sampled_from(VectorOp))
    count = draw(_counts) if op in (VectorOp.TOPK, VectorOp.BOTTOMK, VectorOp.APPROX_TOPK) else None
    ungrouped = (VectorOp.SORT, VectorOp.SORT_DESC, VectorOp.APPROX_TOPK)
    grouping = None if op in ungrouped else draw(st.none() | groupings)
    return VectorAggregation(op, draw(operand), count, grouping)


_matching_labels = st.lists(query_label_names, max_size=2).map(tuple)


@st.composite
def vector_matchings(draw: st.DrawFn) -> VectorMatching:
    group = draw(st.none() | st.sampled_from(GroupSide))
    include = draw(_matching_labels) if group else ()
    return VectorMatching(draw(st.booleans()), draw(_matching_labels), group, include)


@st.composite
def _binary_operations(draw: st.DrawFn, operand: st.SearchStrategy[MetricQuery]) -> BinaryOperation:
    """Operations as a text gives them: a literal on one side at most, and not with set operators."""
    op = draw(st.sampled_from(BinaryOp))
    sides: list[MetricQuery] = [draw(operand.filter(lambda query: not isinstance(query, Literal))), draw(operand)]
    if op.is_set and isinstance(sides[1], Literal):
        sides[1] = VectorLiteral(1.0)
    left, right = draw(st.permutations(sides))
    return BinaryOperation(op, left, right, draw(st.none() | vector_matchings()), draw(st.booleans()))


def _metric_parents(inner: st.SearchStrategy[MetricQuery]) -> st.SearchStrategy[MetricQuery]:
    replace = st.builds(LabelReplace, inner, query_label_names, texts, query_label_names, regexps)
    return _vector_aggregations(inner) | _binary_operations(inner) | replace


metric_queries: st.SearchStrategy[MetricQuery] = st.recursive(
    range_aggregations() | st.builds(Literal, _signed_numbers) | st.builds(VectorLiteral, _numbers),
    _metric_parents,
    max_leaves=4,
)
"""Metric queries of every kind, checked rules kept."""

_variants = st.builds(Variants, _some(range_aggregations(), 2), log_ranges(unwrapped=False))
queries: st.SearchStrategy[Query] = log_queries | metric_queries | _variants
"""Queries of every kind."""
