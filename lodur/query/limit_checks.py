"""The limits of a tenant, checked before a query runs. Texts are those that clients of Loki know."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lodur.logql.operators import VectorOp
from lodur.logql.selector import Selector
from lodur.logql.stages.label_filter import LabelFilter
from lodur.logql.stages.line_filter import LineFilter
from lodur.logql.tree import BinaryOperation, LabelReplace, Query, Variants, VectorAggregation
from lodur.model.byte_size import format_byte_size
from lodur.model.durations import format_go_duration, format_prometheus_duration
from lodur.model.errors import InvalidRequest, LimitExceeded
from lodur.model.limits import BlockedQuery, QueryLimits
from lodur.model.time_span import TimeSpan
from lodur.query.plan.nodes import LogScan, Plan, RangeScan, walk

_FILTERS = (LineFilter, LabelFilter)

_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193

_SERIES_ADVICE = (
    "maximum number of series ({}) reached for a single query; consider reducing query cardinality by adding more "
    "specific stream selectors, reducing the time range, or aggregating results with functions like sum(), count() "
    "or topk()"
)
_BYTES_ADVICE = "consider adding more specific stream selectors or reduce the time range of the query"

POINT_BYTES = 32
"""A point as it is answered, a time and a number in text."""


class FeatureDisabled(InvalidRequest):
    """The operator has not switched this on; clients expect a failure of the server, not of their request."""


def visible_span(span: TimeSpan, limits: QueryLimits, now_ns: int) -> TimeSpan | None:
    """The part of a span that queries may see: not before the look-back; None where nothing of it is left.

    Raises LimitExceeded where what is left is too long.
    """
    start_ns = span.start_ns
    if limits.lookback_max_ns:
        oldest_ns = now_ns - limits.lookback_max_ns
        if span.end_ns < oldest_ns:
            return None
        start_ns = max(start_ns, oldest_ns)
    length_ns = span.end_ns - start_ns
    if limits.length_max_ns and length_ns > limits.length_max_ns:
        length, allowed = format_go_duration(length_ns), format_prometheus_duration(limits.length_max_ns)
        raise LimitExceeded(
            f"the query time range exceeds the limit (query length: {length}, limit: {allowed})",
            limit="max_query_length",
        )
    return TimeSpan(start_ns, span.end_ns)


def check_entries(limit: int, limits: QueryLimits) -> None:
    """LimitExceeded if a log query asks for too many entries."""
    allowed = limits.entries_max
    if allowed and limit > allowed:
        message = f"max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {allowed})"
        raise LimitExceeded(message, limit="max_entries_limit_per_query")


def check_plan(plan: Plan, limits: QueryLimits) -> None:
    """Refuse windows that are too long and selectors that say too little."""
    for node in walk(plan):
        if isinstance(node, LogScan):
            check_selector(node.query.selector, limits)
        elif isinstance(node, RangeScan):
            check_selector(node.source.selector, limits)
            _check_window(node.source.range_ns, limits)


def check_series(count: int, series_max: int) -> None:
    """LimitExceeded if an answer has too many series; 0 allows any number."""
    if series_max and count > series_max:
        raise LimitExceeded(_SERIES_ADVICE.format(series_max), limit="max_query_series")


def check_points(count: int, memory_max_bytes: int) -> None:
    """LimitExceeded if writing an answer of so many points would take too much memory."""
    if count * POINT_BYTES > memory_max_bytes:
        raise LimitExceeded(
            f"the answer of {count} points would take more than {memory_max_bytes} bytes of memory; aggregate by fewer "
            "labels, or ask for a shorter time range or a larger step",
            limit="max_query_memory",
        )


def check_bytes(size_bytes: int, limits: QueryLimits) -> None:
    """LimitExceeded if a query would read too much."""
    reasons = (
        ("max_query_bytes_read", limits.bytes_read_max, "the query would read too many bytes"),
        ("max_querier_bytes_read", limits.process_bytes_read_max, "query too large to execute on a single querier:"),
    )
    for name, allowed_bytes, text in reasons:
        if allowed_bytes and size_bytes > allowed_bytes:
            sizes = f"(query: {format_byte_size(size_bytes)}, limit: {format_byte_size(allowed_bytes)})"
            raise LimitExceeded(f"{text} {sizes}; {_BYTES_ADVICE}", limit=name)


def check_blocked(text: str, plan: Plan, tags: Iterable[tuple[str, str]], limits: QueryLimits) -> None:
    """Refuse a query that the operator has blocked."""
    known = set(tags)
    if any(_is_blocked(rule, text, plan, known) for rule in limits.blocked):
        raise InvalidRequest("query blocked by policy")


def check_features(query: Query, limits: QueryLimits) -> None:
    """Refuse functions that must be allowed first; clients expect different errors for them."""
    if not limits.multi_variant_enabled and isinstance(query, Variants):
        raise InvalidRequest("multi variant queries are disabled for this instance")
    if not limits.approx_topk_enabled and _uses_approx_topk(query):
        raise FeatureDisabled("approx_topk is not enabled. See -limits.shard_aggregations")


def _uses_approx_topk(query: Query) -> bool:
    match query:
        case VectorAggregation():
            return query.op is VectorOp.APPROX_TOPK or _uses_approx_topk(query.operand)
        case LabelReplace():
            return _uses_approx_topk(query.operand)
        case BinaryOperation():
            return _uses_approx_topk(query.left) or _uses_approx_topk(query.right)
        case Variants():
            return any(map(_uses_approx_topk, query.queries))
        case _:
            return False


def check_selector(selector: Selector, limits: QueryLimits) -> None:
    """LimitExceeded for a selector that says too little."""
    present = sorted({matcher.name for matcher in selector.matchers})
    missing = [name for name in limits.required_label_names if name not in present]
    if missing:
        raise LimitExceeded(
            f"stream selector is missing required matchers [{', '.join(missing)}], "
            f"labels present in the query were [{', '.join(present)}]",
            limit="required_labels",
        )
    if len(selector.matchers) < limits.matchers_min:
        raise LimitExceeded(
            f"stream selector has less label matchers than required: (present: [{', '.join(present)}], "
            f"number_present: {len(selector.matchers)}, required_number_label_matchers: {limits.matchers_min})",
            limit="minimum_labels_number",
        )


def _check_window(range_ns: int, limits: QueryLimits) -> None:
    if limits.window_max_ns and range_ns > limits.window_max_ns:
        asked, allowed = format_prometheus_duration(range_ns), format_prometheus_duration(limits.window_max_ns)
        raise LimitExceeded(f"[interval] value exceeds limit: [{asked}] > [{allowed}]", limit="max_query_range")


def _is_blocked(rule: BlockedQuery, text: str, plan: Plan, tags: set[tuple[str, str]]) -> bool:
    if rule.types and query_kind(plan) not in rule.types:
        return False
    if any((name.lower(), value.lower()) not in tags for name, value in rule.query_tags):
        return False
    if rule.hash:
        return rule.hash == _fnv1(text)
    if not rule.pattern or rule.pattern.strip() == text.strip():
        return True
    return rule.regex and re.fullmatch(rule.pattern, text) is not None


def query_kind(plan: Plan) -> str:
    """What Loki calls a kind of query: `filter` looks at lines or labels of entries, `limited` takes what comes."""
    if not isinstance(plan, LogScan):
        return "metric"
    return "filter" if any(isinstance(stage, _FILTERS) for stage in plan.query.stages) else "limited"


def _fnv1(text: str) -> int:
    """The FNV-1 hash of 32 bits, as operators compute it for a query."""
    value = _FNV_OFFSET
    for byte in text.encode():
        value = (value * _FNV_PRIME & 0xFFFFFFFF) ^ byte
    return value
