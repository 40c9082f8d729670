"""`LogqlTwin`: a list of entries and the answers to queries over it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from lodur.logql.operators import RangeOp, VectorOp
from lodur.logql.tree import (
    BinaryOperation,
    Grouping,
    LabelReplace,
    Literal,
    LogQuery,
    MetricQuery,
    RangeAggregation,
    VectorAggregation,
    VectorLiteral,
)
from tests.oracles.logql.filters import stream_passes
from tests.oracles.logql.pipeline import make_pipeline, run_pipeline
from tests.oracles.logql.row import Entry, Pairs, pairs_of
from tests.oracles.logql.vectors import aggregate, combine_sets, join, replace_label, with_number
from tests.oracles.logql.windows import Vector, aggregate_range

_SUMMED_WITH_THE_SCAN = frozenset(
    {RangeOp.COUNT_OVER_TIME, RangeOp.RATE, RangeOp.BYTES_OVER_TIME, RangeOp.BYTES_RATE, RangeOp.SUM_OVER_TIME}
)
"""A sum over these looks at no labels but its own, and so meets no errors in what it does not look at."""


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """An entry of an answer: its line and labels after the pipeline, and where it comes from."""

    ts_ns: int
    line: str
    stream: Pairs
    metadata: Pairs
    parsed: Pairs
    origins: tuple[Pairs, ...]
    """The streams of the entries that were this one when the pipeline was done with them."""

    @property
    def labels(self) -> Pairs:
        return tuple(sorted({*self.stream, *self.metadata, *self.parsed}))


class LogqlTwin:
    """Entries in the order of their arrival, each once."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = list(dict.fromkeys(entries))

    def logs(self, query: LogQuery, start_ns: int, end_ns: int) -> list[FoundEntry]:
        """All entries with `start_ns <= ts < end_ns` that pass, by time and then arrival; equal ones are one."""
        pipeline = make_pipeline(query.stages)
        found: dict[tuple[int, str, Pairs, Pairs, Pairs], list[Pairs]] = {}
        for entry in self.entries:
            if not start_ns <= entry.ts_ns < end_ns or not stream_passes(query.selector.matchers, entry.stream):
                continue
            if done := run_pipeline(pipeline, entry):
                stream, metadata, parsed = map(pairs_of, done[0].categories())
                found.setdefault((entry.ts_ns, done[0].line, stream, metadata, parsed), []).append(entry.stream)
        return sorted((FoundEntry(*one, tuple(origins)) for one, origins in found.items()), key=lambda one: one.ts_ns)

    def metric(self, query: MetricQuery, times_ns: Sequence[int]) -> list[Vector]:
        """The vector at each time. Raises PipelineError, MatchingError and Ambiguous."""
        match query:
            case RangeAggregation():
                return aggregate_range(query, self.entries, times_ns, None)
            case VectorAggregation(operand=RangeAggregation() as operand) if (
                query.op is VectorOp.SUM and operand.op in _SUMMED_WITH_THE_SCAN
            ):
                grouping = query.grouping or Grouping(())
                return [
                    aggregate(query, vector) for vector in aggregate_range(operand, self.entries, times_ns, grouping)
                ]
            case VectorAggregation():
                return [aggregate(query, vector) for vector in self.metric(query.operand, times_ns)]
            case LabelReplace():
                return [replace_label(query, vector) for vector in self.metric(query.operand, times_ns)]
            case Literal(value) | VectorLiteral(value):
                return [[((), value)] for _ in times_ns]
            case BinaryOperation():
                return self._binary(query, times_ns)
            case _:
                assert_never(query)

    def _binary(self, query: BinaryOperation, times_ns: Sequence[int]) -> list[Vector]:
        op, as_number = query.op, query.returns_bool
        for number, operand, number_left in ((query.left, query.right, True), (query.right, query.left, False)):
            if isinstance(number, Literal):
                return [
                    with_number(op, vector, number.value, number_left=number_left, as_number=as_number)
                    for vector in self.metric(operand, times_ns)
                ]
        sides = zip(self.metric(query.left, times_ns), self.metric(query.right, times_ns), strict=True)
        if op.is_set:
            return [combine_sets(op, left, right, query.matching) for left, right in sides]
        return [join(op, left, right, query.matching, as_number=as_number) for left, right in sides]
