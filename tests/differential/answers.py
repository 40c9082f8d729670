"""What an engine and the twin answer, and how the two may differ: in the last digits, and where the order is open."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import orjson

from lodur.model.label_set import LabelSet
from lodur.query.answers import InstantAnswer, MatrixAnswer, RangeAnswer, ScalarAnswer, StreamsAnswer
from lodur.query.evaluate.matrix import Matrix
from tests.oracles.logql.row import Pairs
from tests.oracles.logql.twin import FoundEntry
from tests.oracles.logql.windows import Vector

Shown: TypeAlias = tuple[int, str, Pairs, Pairs]
"""A line of an answer: time, text, and in the categorised form its metadata and parsed labels."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error instead of an answer: `pipeline`, `matching`, or another one's text."""

    kind: str


def difference(got: object, wanted: object) -> str | None:
    """How two descriptions of answers differ in one line; None if they do not."""
    return None if got == wanted else f"got {got!r:.1500}\n  wanted {wanted!r:.1500}"


# Metrics.


def series_of(answer: RangeAnswer | InstantAnswer, steps: int) -> list[Vector]:
    """The vector at each step."""
    if isinstance(answer, ScalarAnswer):
        return [[((), answer.value)]]
    assert not isinstance(answer, StreamsAnswer)
    matrix = answer.matrix
    if isinstance(answer, MatrixAnswer):
        assert answer.steps.count == steps
    assert matrix.steps == steps or not matrix.labels
    return [_vector(matrix, step) for step in range(steps)]


def _vector(matrix: Matrix, step: int) -> Vector:
    rows = range(len(matrix.labels))
    return [(matrix.labels[row].pairs, float(matrix.values[row, step])) for row in rows if matrix.present[row, step]]


def compare_vectors(got: Sequence[Vector], wanted: Sequence[Vector]) -> str | None:
    """Equal labels and nearly equal values at each step, whatever the order."""
    for step, (found, expected) in enumerate(zip(got, wanted, strict=True)):
        found_by, expected_by = _by_labels(found), _by_labels(expected)
        if labels := difference(_counted(found_by), _counted(expected_by)):
            return f"step {step}: {labels}"
        for key, values in expected_by.items():
            if not all(is_same(left, right) for left, right in zip(found_by[key], values, strict=True)):
                return f"step {step}, {LabelSet(key)}: got {found_by[key]}, wanted {values}"
    return None


def _by_labels(vector: Vector) -> dict[Pairs, list[float]]:
    by_labels: dict[Pairs, list[float]] = defaultdict(list)
    for labels, value in sorted(vector, key=lambda sample: (sample[0], math.isnan(sample[1]), sample[1])):
        by_labels[labels].append(value)
    return by_labels


def _counted(by_labels: dict[Pairs, list[float]]) -> dict[Pairs, int]:
    return {labels: len(values) for labels, values in by_labels.items()}


def is_same(left: float, right: float) -> bool:
    """Equal but for rounding. Deviations and remainders that are nothing may come out as a little more."""
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return left == right or math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)


def order_of(answer: RangeAnswer | InstantAnswer) -> list[Pairs]:
    return [] if isinstance(answer, ScalarAnswer | StreamsAnswer) else [labels.pairs for labels in answer.matrix.labels]


def is_sorted_by_value(vector: Vector, *, descending: bool) -> bool:
    """Numbers in order, up to rounding, and NaN behind them."""
    values = [value for _, value in vector]
    numbers = [-value if descending else value for value in values if not math.isnan(value)]
    in_order = all(left <= right or is_same(left, right) for left, right in pairwise(numbers))
    return in_order and not any(math.isnan(value) for value in values[: len(numbers)])


# Logs.


def streams_of(answer: RangeAnswer, *, categorize: bool) -> list[tuple[Pairs, list[Shown]]]:
    assert isinstance(answer, StreamsAnswer)
    streams = orjson.loads(answer.result.streams_json(categorize=categorize))
    return [(_pairs(one["stream"]), [_shown(value) for value in one["values"]]) for one in streams]


def _shown(value: Sequence[str | dict[str, dict[str, str]]]) -> Shown:
    ts_ns, line, *rest = value
    assert isinstance(ts_ns, str)
    assert isinstance(line, str)
    labels = rest[0] if rest else {}
    assert isinstance(labels, dict)
    return int(ts_ns), line, _pairs(labels.get("structuredMetadata", {})), _pairs(labels.get("parsed", {}))


def _pairs(labels: dict[str, str]) -> Pairs:
    return tuple(sorted(labels.items()))


def compare_logs(
    got: list[tuple[Pairs, list[Shown]]], found: Sequence[FoundEntry], *, limit: int, backward: bool, categorize: bool
) -> str | None:
    """Streams by their printed labels, entries by time; entries of one stream at one time as they arrived."""
    printed = [str(LabelSet(labels)) for labels, _ in got]
    if printed != sorted(printed):
        return f"streams out of order: {printed}"
    for labels, values in got:
        times = [value[0] for value in values]
        if times != sorted(times, reverse=backward):
            return f"entries of {LabelSet(labels)} out of order: {times}"
    ordered = sorted(found, key=lambda one: one.ts_ns, reverse=backward)
    last_ns = ordered[limit - 1].ts_ns if len(ordered) > limit else None
    shown = Counter((labels, value) for labels, values in got for value in values)
    wanted = Counter(_as_shown(one, categorize=categorize) for one in ordered)
    if total := difference(shown.total(), min(limit, len(ordered))):
        return f"number of entries: {total}"
    if extra := shown - wanted:
        return f"entries that should not be there: {_few(extra)}"
    sure = Counter(
        {one: count for one, count in wanted.items() if last_ns is None or _is_before(one, last_ns, backward)}
    )
    if missing := sure - shown:
        return f"entries that are missing: {_few(missing)}"
    return _compare_arrival(got, ordered, backward=backward, categorize=categorize)


def _is_before(one: tuple[Pairs, Shown], last_ns: int, backward: bool) -> bool:
    return one[1][0] > last_ns if backward else one[1][0] < last_ns


def _as_shown(one: FoundEntry, *, categorize: bool) -> tuple[Pairs, Shown]:
    if categorize:
        return one.stream, (one.ts_ns, one.line, one.metadata, one.parsed)
    return one.labels, (one.ts_ns, one.line, (), ())


def _few(entries: Iterable[object]) -> str:
    return "\n    ".join(map(repr, list(entries)[:4]))


def _compare_arrival(
    got: list[tuple[Pairs, list[Shown]]], ordered: Sequence[FoundEntry], *, backward: bool, categorize: bool
) -> str | None:
    """Entries of one time and label set come in the order of their arrival, backwards in the reverse."""
    arrived: dict[tuple[Pairs, int, Pairs, Pairs], list[FoundEntry]] = defaultdict(list)
    for one in ordered:
        labels, (ts_ns, _, metadata, parsed) = _as_shown(one, categorize=categorize)
        arrived[labels, ts_ns, metadata, parsed].append(one)
    shown: dict[tuple[Pairs, int, Pairs, Pairs], list[str]] = defaultdict(list)
    for labels, values in got:
        for ts_ns, line, metadata, parsed in values:
            shown[labels, ts_ns, metadata, parsed].append(line)
    for key, lines in shown.items():
        expected = arrived[key]
        # Of several streams, or of entries that stages made equal, the order is open.
        if len(lines) == len(expected) > 1 and len({one.origins for one in expected}) == 1 == len(expected[0].origins):
            wanted = [one.line for one in expected]
            if order := difference(lines, wanted[::-1] if backward else wanted):
                return f"arrival: {order}"
    return None
