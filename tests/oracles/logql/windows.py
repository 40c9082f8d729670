"""Range aggregations: what a window of samples is worth."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from lodur.logql.operators import RangeOp
from lodur.logql.tree import Grouping, RangeAggregation
from lodur.model.matcher import MatchOp
from tests.oracles.logql.filters import stream_passes
from tests.oracles.logql.pipeline import make_pipeline, run_pipeline, without_unread_formats
from tests.oracles.logql.row import ERROR, Entry, Pairs, Row, pairs_of

Vector: TypeAlias = list[tuple[Pairs, float]]
"""The samples of one instant."""

_S = 10**9


class PipelineError(Exception):
    """A line with an error came to a metric query."""


class Ambiguous(Exception):
    """The language leaves the answer open, or it hangs on the last bit of a number."""


_MEASURES_LINES = (RangeOp.BYTES_OVER_TIME, RangeOp.BYTES_RATE)


@dataclass(frozen=True, slots=True)
class _Sample:
    series: Pairs
    ts_ns: int
    value: float
    stream: Pairs
    error: str


def aggregate_range(
    query: RangeAggregation, entries: Iterable[Entry], times_ns: Sequence[int], outer: Grouping | None
) -> list[Vector]:
    """The vector at each time; `outer` is the grouping of a sum that is done in the same go."""
    log_range = query.log_range
    counts_presence = query.op is RangeOp.ABSENT_OVER_TIME
    grouping = Grouping(()) if counts_presence else query.grouping or outer
    by = None if grouping is None or grouping.without else frozenset(grouping.labels)
    unwrapped = log_range.unwrap.label if log_range.unwrap else None
    stages = log_range.stages if query.op in _MEASURES_LINES else without_unread_formats(log_range.stages)
    pipeline = make_pipeline(stages, log_range.unwrap, by)
    counts_errors = by is not None and ERROR in by and unwrapped is None
    first_ns = times_ns[0] - log_range.offset_ns - log_range.range_ns
    samples: list[_Sample] = []
    for entry in entries:
        inside = first_ns < entry.ts_ns <= times_ns[-1] - log_range.offset_ns
        if not inside or not stream_passes(log_range.selector.matchers, entry.stream):
            continue
        done = run_pipeline(pipeline, entry)
        if done is None:
            continue
        row, value = done
        if query.op in _MEASURES_LINES:
            value = float(len(row.line.encode()))
        elif unwrapped is None:
            value = 1.0
        error = "" if counts_errors else row.error
        samples.append(_Sample(_series(row, grouping, unwrapped), entry.ts_ns, value, entry.stream, error))
    samples.sort(key=lambda sample: sample.ts_ns)
    vectors = [_vector(query, samples, time_ns - log_range.offset_ns) for time_ns in times_ns]
    if counts_presence:
        labels = _labels_named_once(query)
        return [[] if vector else [(labels, 1.0)] for vector in vectors]
    return vectors


def _series(row: Row, grouping: Grouping | None, unwrapped: str | None) -> Pairs:
    if grouping is not None and not grouping.without:
        values = {name: row.get(name) for name in grouping.labels}
        return pairs_of({name: value for name, value in values.items() if value is not None})
    left_out = {unwrapped, *(grouping.labels if grouping else ())}
    return pairs_of({name: value for name, value in row.labels().items() if name not in left_out})


def _labels_named_once(query: RangeAggregation) -> Pairs:
    matchers = query.log_range.selector.matchers
    names = [matcher.name for matcher in matchers]
    return pairs_of({one.name: one.value for one in matchers if one.op is MatchOp.EQUAL and names.count(one.name) == 1})


def _vector(query: RangeAggregation, samples: Sequence[_Sample], end_ns: int) -> Vector:
    range_ns = query.log_range.range_ns
    series: dict[Pairs, list[_Sample]] = defaultdict(list)
    for sample in samples:
        if end_ns - range_ns < sample.ts_ns <= end_ns:
            if sample.error:
                raise PipelineError(sample.error)
            series[sample.series].append(sample)
    return [(labels, _value(query, window)) for labels, window in series.items()]


def _value(query: RangeAggregation, window: Sequence[_Sample]) -> float:
    values = [sample.value for sample in window]
    match query.op:
        case RangeOp.RATE | RangeOp.BYTES_RATE:
            return sum(values) / (query.log_range.range_ns / _S)
        case RangeOp.QUANTILE_OVER_TIME:
            return quantile(query.parameter or 0.0, values)
        case RangeOp.FIRST_OVER_TIME | RangeOp.LAST_OVER_TIME:
            return _edge(window, last=query.op is RangeOp.LAST_OVER_TIME)
        case RangeOp.RATE_COUNTER:
            return _rate_counter(window, query.log_range.range_ns)
        case _:
            return _OF_VALUES[query.op](values)


def extreme(values: Sequence[float], choose: Callable[[Sequence[float]], float]) -> float:
    """NaN only where there is nothing else."""
    numbers = [value for value in values if not math.isnan(value)]
    return choose(numbers) if numbers else math.nan


def variance(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return sum((value - mean) * (value - mean) for value in values) / len(values)


_OF_VALUES: dict[RangeOp, Callable[[Sequence[float]], float]] = {
    RangeOp.COUNT_OVER_TIME: sum,
    RangeOp.BYTES_OVER_TIME: sum,
    RangeOp.SUM_OVER_TIME: sum,
    RangeOp.ABSENT_OVER_TIME: sum,
    RangeOp.AVG_OVER_TIME: lambda values: sum(values) / len(values),
    RangeOp.MIN_OVER_TIME: lambda values: extreme(values, min),
    RangeOp.MAX_OVER_TIME: lambda values: extreme(values, max),
    RangeOp.STDVAR_OVER_TIME: variance,
    RangeOp.STDDEV_OVER_TIME: lambda values: math.sqrt(variance(values)),
}


def quantile(q: float, values: Sequence[float]) -> float:
    if q > 1:
        return math.inf
    ordered = sorted(values, key=lambda value: (not math.isnan(value), value))
    rank = q * (len(ordered) - 1)
    lower = math.floor(rank)
    upper = min(lower + 1, len(ordered) - 1)
    weight = rank - lower
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


def _edge(window: Sequence[_Sample], *, last: bool) -> float:
    """The first or last sample by time; of several at that time, by arrival, which only one stream's entries have."""
    chosen = window[-1 if last else 0]
    tied = [sample for sample in window if sample.ts_ns == chosen.ts_ns]
    if len({sample.stream for sample in tied}) > 1 and len({repr(sample.value) for sample in tied}) > 1:
        raise Ambiguous("samples of several streams at one time")
    return chosen.value


def _rate_counter(window: Sequence[_Sample], range_ns: int) -> float:
    if len(window) < 2:
        return 0.0
    if len({sample.ts_ns for sample in window}) < len(window):
        raise Ambiguous("a counter with two values at one time")
    values = [sample.value for sample in window]
    resets = sum(before for before, after in pairwise(values) if after < before)
    increase = values[-1] - values[0] + resets
    span_ns = window[-1].ts_ns - window[0].ts_ns
    reach = range_ns / 10**6
    if increase > 0 and values[0] >= 0:
        reach = min(reach, span_ns * values[0] / increase)
    return increase / (range_ns / _S) * (1 + reach / span_ns)
