"""Operations on the samples of one instant."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable

from lodur.logql.operators import BinaryOp, GroupSide, VectorOp
from lodur.logql.tree import Grouping, LabelReplace, VectorAggregation, VectorMatching
from tests.oracles.logql.row import Pairs
from tests.oracles.logql.windows import Ambiguous, Vector, extreme, variance

_EXACT = 2**20
"""Numbers that are whole multiples of 1 / this come out the same whatever the order of operations."""

_ADDED_OVER = re.compile(r"\$\$|\$(\w+)|\$\{(\w+)\}", re.ASCII)


class MatchingError(Exception):
    """Series of two sides cannot be paired."""


def is_exact(value: float) -> bool:
    return not math.isfinite(value) or (abs(value) < 2**30 and (value * _EXACT).is_integer())


def is_near(left: float, right: float) -> bool:
    """Whether rounding decides how two numbers compare."""
    if left == right:
        return not (is_exact(left) and is_exact(right))
    return math.isfinite(left) and math.isfinite(right) and math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)


def key(labels: Pairs, names: tuple[str, ...], *, without: bool) -> Pairs:
    return tuple(pair for pair in labels if (pair[0] in names) != without)


def aggregate(query: VectorAggregation, vector: Vector) -> Vector:
    if query.op in (VectorOp.SORT, VectorOp.SORT_DESC):
        return vector
    grouping = query.grouping or Grouping(())
    groups: dict[Pairs, Vector] = defaultdict(list)
    for sample in vector:
        groups[key(sample[0], grouping.labels, without=grouping.without)].append(sample)
    if query.parameter is not None:
        return [sample for group in groups.values() for sample in _extremes(query, group)]
    return [(labels, _AGGREGATES[query.op]([value for _, value in group])) for labels, group in groups.items()]


_AGGREGATES: dict[VectorOp, Callable[[list[float]], float]] = {
    VectorOp.SUM: sum,
    VectorOp.AVG: lambda values: sum(values) / len(values),
    VectorOp.COUNT: lambda values: float(len(values)),
    VectorOp.MIN: lambda values: extreme(values, min),
    VectorOp.MAX: lambda values: extreme(values, max),
    VectorOp.STDVAR: variance,
    VectorOp.STDDEV: lambda values: math.sqrt(variance(values)),
}


def _extremes(query: VectorAggregation, group: Vector) -> Vector:
    sign = 1 if query.op is VectorOp.BOTTOMK else -1
    k = query.parameter or 0
    ordered = sorted(group, key=lambda sample: (math.isnan(sample[1]), sign * sample[1]))
    if len(ordered) > k:
        last, next_one = ordered[k - 1][1], ordered[k][1]
        if last == next_one or is_near(last, next_one) or (math.isnan(last) and math.isnan(next_one)):
            raise Ambiguous("equal values, of which some are chosen")
    return ordered[:k]


def with_number(op: BinaryOp, vector: Vector, number: float, *, number_left: bool, as_number: bool) -> Vector:
    """A comparison keeps the vector's value, whatever the side."""
    samples: Vector = []
    for labels, value in vector:
        left, right = (number, value) if number_left else (value, number)
        result = _operate(op, left, right)
        if isinstance(result, bool):
            if as_number:
                samples.append((labels, float(result)))
            elif result:
                samples.append((labels, value))
        else:
            samples.append((labels, result))
    return samples


def join(op: BinaryOp, left: Vector, right: Vector, matching: VectorMatching | None, *, as_number: bool) -> Vector:
    """`left op right` over the pairs of samples that match."""
    matching = matching or VectorMatching(False, ())
    swapped = matching.group is GroupSide.RIGHT
    many, one = (right, left) if swapped else (left, right)
    by_signature: dict[Pairs, tuple[Pairs, float]] = {}
    for labels, value in one:
        signature = key(labels, matching.labels, without=not matching.on)
        if signature in by_signature:
            raise MatchingError
        by_signature[signature] = (labels, value)
    joined: list[tuple[Pairs, float | None]] = []
    for labels, value in many:
        found = by_signature.get(key(labels, matching.labels, without=not matching.on))
        if found is None:
            continue
        operands = (found[1], value) if swapped else (value, found[1])
        result = _operate(op, *operands)
        sample: float | None = float(result)
        if isinstance(result, bool) and not as_number:
            sample = operands[0] if result else None
        joined.append((_joined_labels(matching, labels, found[0]), sample))
    if any(count > 1 for count in Counter(labels for labels, _ in joined).values()):
        raise MatchingError
    return [(labels, sample) for labels, sample in joined if sample is not None]


def _joined_labels(matching: VectorMatching, many: Pairs, one: Pairs) -> Pairs:
    if matching.group is None:
        return key(many, matching.labels, without=not matching.on)
    labels, taken = dict(many), dict(one)
    for name in matching.include:
        labels.pop(name, None)
        if taken.get(name):
            labels[name] = taken[name]
    return tuple(sorted(labels.items()))


def combine_sets(op: BinaryOp, left: Vector, right: Vector, matching: VectorMatching | None) -> Vector:
    matching = matching or VectorMatching(False, ())

    def signature(sample: tuple[Pairs, float]) -> Pairs:
        return key(sample[0], matching.labels, without=not matching.on)

    in_left, in_right = set(map(signature, left)), set(map(signature, right))
    match op:
        case BinaryOp.AND:
            return [sample for sample in left if signature(sample) in in_right]
        case BinaryOp.UNLESS:
            return [sample for sample in left if signature(sample) not in in_right]
        case _:
            return left + [sample for sample in right if signature(sample) not in in_left]


def _operate(op: BinaryOp, left: float, right: float) -> float | bool:
    if op.is_comparison:
        if is_near(left, right):
            raise Ambiguous("a comparison of numbers that are nearly equal")
        return _COMPARISONS[op](left, right)
    match op:
        case BinaryOp.ADD:
            return left + right
        case BinaryOp.SUBTRACT:
            if left != right and is_near(left, right):
                raise Ambiguous("a difference of numbers that are nearly equal")
            return left - right
        case BinaryOp.MULTIPLY:
            return left * right
        case BinaryOp.POWER:
            return _power(left, right)
        case _:
            if right != 0 and abs(right) < 1e-9:
                raise Ambiguous("a divisor that is nearly nothing")
            if right == 0:
                return math.nan
            return left / right if op is BinaryOp.DIVIDE else _remainder(left, right)


_COMPARISONS: dict[BinaryOp, Callable[[float, float], bool]] = {
    BinaryOp.EQUAL: lambda left, right: left == right,
    BinaryOp.NOT_EQUAL: lambda left, right: left != right,
    BinaryOp.GREATER: lambda left, right: left > right,
    BinaryOp.GREATER_OR_EQUAL: lambda left, right: left >= right,
    BinaryOp.LESS: lambda left, right: left < right,
    BinaryOp.LESS_OR_EQUAL: lambda left, right: left <= right,
}


def _remainder(left: float, right: float) -> float:
    if math.isnan(left) or math.isinf(left) or math.isnan(right):
        return math.nan
    quotient = left / right
    if not (is_exact(left) and is_exact(right)) and (abs(quotient) > 2**20 or abs(quotient - round(quotient)) < 1e-7):
        raise Ambiguous("a remainder that rounding decides")
    return math.fmod(left, right)


def _power(left: float, right: float) -> float:
    if not (is_exact(left) and is_exact(right)) and abs(right) > 64:
        raise Ambiguous("a high power of a rounded number")
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and right % 2 == 1 else math.inf
    except ValueError:
        if left == 0:
            return math.copysign(math.inf, left) if right % 2 == 1 else math.inf
        return math.nan


def replace_label(query: LabelReplace, vector: Vector) -> Vector:
    pattern = re.compile(query.regexp, re.ASCII | re.DOTALL)
    samples: Vector = []
    for pairs, value in vector:
        labels = dict(pairs)
        found = pattern.fullmatch(labels.get(query.source, ""))
        if found:
            new = _fill_in(query.replacement, found)
            labels.pop(query.target, None)
            if new:
                labels[query.target] = new
        samples.append((tuple(sorted(labels.items())), value))
    return samples


def _fill_in(replacement: str, found: re.Match[str]) -> str:
    def group(use: re.Match[str]) -> str:
        if use.group() == "$$":
            return "$"
        name = use.group(1) or use.group(2)
        try:
            return found.group(int(name) if name.isdigit() else name) or ""
        except IndexError:
            return ""

    return _ADDED_OVER.sub(group, replacement)
