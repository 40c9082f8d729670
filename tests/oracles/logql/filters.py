"""What a line or a label is tested for: selectors, line filters, label filters, the targets of `drop` and `keep`."""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Iterator
from typing import TypeVar, assert_never

from lodur.logql.ip_pattern import IpPattern
from lodur.logql.pattern_expression import PatternLiteral, PatternPart
from lodur.logql.stages.label_filter import (
    AddressPredicate,
    AllOf,
    AnyOf,
    BytesPredicate,
    CompareOp,
    DurationPredicate,
    LabelPredicate,
    NumberPredicate,
    StringPredicate,
)
from lodur.logql.stages.line_filter import LineAddress, LineFilter, LineFilterOp, LineOperand, LinePattern, LineText
from lodur.model.matcher import Matcher
from tests.oracles.logql.readings import read_bytes, read_duration_ns, read_number
from tests.oracles.logql.row import ERROR, ERROR_DETAILS, Gate, Pairs, Row

T = TypeVar("T", int, float)

_COMPARE: dict[CompareOp, Callable[[float, float], bool]] = {
    CompareOp.EQUAL: operator.eq,
    CompareOp.NOT_EQUAL: operator.ne,
    CompareOp.GREATER: operator.gt,
    CompareOp.GREATER_OR_EQUAL: operator.ge,
    CompareOp.LESS: operator.lt,
    CompareOp.LESS_OR_EQUAL: operator.le,
}


def value_passes(matcher: Matcher, value: str) -> bool:
    """The whole value is compared; `.` matches a newline too."""
    if matcher.op.is_regexp:
        found = re.fullmatch(matcher.value, value, re.ASCII | re.DOTALL) is not None
    else:
        found = value == matcher.value
    return found != matcher.op.is_negative


def stream_passes(matchers: tuple[Matcher, ...], stream: Pairs) -> bool:
    labels = dict(stream)
    return all(value_passes(matcher, labels.get(matcher.name, "")) for matcher in matchers)


def line_passes(stage: LineFilter, line: str) -> bool:
    return any(_finds(stage.op, operand, line) for operand in stage.operands) != stage.op.is_negative


def _finds(op: LineFilterOp, operand: LineOperand, line: str) -> bool:
    match operand:
        case LineText(text):
            if op in (LineFilterOp.CONTAINS, LineFilterOp.NOT_CONTAINS):
                return text in line
            return re.search(text, line, re.ASCII) is not None
        case LinePattern(parts=parts):
            return _fits(parts, line)
        case LineAddress(pattern):
            return holds_address(pattern, line)
        case _:
            assert_never(operand)


def _fits(parts: tuple[PatternPart, ...], line: str) -> bool:
    """Each literal is taken where it first occurs; a placeholder stands for something, and both ends are fixed."""
    rest = line
    for at, part in enumerate(parts):
        if not isinstance(part, PatternLiteral):
            continue
        before, found, after = rest.partition(part.text)
        if not found or bool(before) != (at > 0):
            return False
        rest = after
    ends_open = bool(parts) and not isinstance(parts[-1], PatternLiteral)
    return bool(rest) == ends_open


def holds_address(pattern: IpPattern, line: str) -> bool:
    """Whether an address within the pattern stands in the line; addresses end where their characters do."""
    for written in _written_addresses(line):
        try:
            address = ipaddress.ip_address(written)
        except ValueError:
            continue
        if (address.version == 6) == pattern.is_v6 and pattern.first <= int(address) <= pattern.last:
            return True
    return False


def _written_addresses(line: str) -> Iterator[str]:
    for word in re.findall(r"[0-9A-Fa-f:.]+", line):
        yield from [word] if ":" in word and "::" in word else word.split(":")
        yield word


def filter_passes(predicate: LabelPredicate, row: Row) -> bool:
    """Whether the row stays; a value that is no number marks it with an error."""
    match predicate:
        case AllOf(terms):
            return all(filter_passes(term, row) for term in terms)
        case AnyOf(terms):
            return any(filter_passes(term, row) for term in terms)
        case StringPredicate(matcher):
            return value_passes(matcher, row.text(matcher.name))
        case NumberPredicate(name, op, number):
            return _compare(row, name, read_number, op, number)
        case DurationPredicate(name, op, value_ns):
            return _compare(row, name, read_duration_ns, op, value_ns)
        case BytesPredicate(name, op, value_bytes):
            return _compare(row, name, read_bytes, op, _as_printed(value_bytes))
        case AddressPredicate(name, negative, pattern):
            value = row.get(name)
            return value is not None and holds_address(pattern, value) != negative
        case _:
            assert_never(predicate)


def _as_printed(size_bytes: int) -> int:
    """A size as Loki prints it, in powers of 1000 with two digits or a whole number: that one is compared."""
    if size_bytes < 10:
        return size_bytes
    unit = 1
    while size_bytes / unit >= 1000:
        unit *= 1000
    tenths = int(size_bytes / unit * 10 + 0.5)
    return tenths * unit // 10 if tenths < 100 else round(tenths / 10) * unit


def _compare(row: Row, name: str, read: Callable[[str], T], op: CompareOp, wanted: T) -> bool:
    value = row.get(name)
    if value is None:
        return False
    if row.error:
        return True
    try:
        return _COMPARE[op](read(value), wanted)
    except ValueError as error:
        row.fail("LabelFilterErr", str(error))
        return True


def target_names(targets: tuple[str | Matcher, ...], name: str, value: str) -> bool:
    """Whether `drop` or `keep` of these speaks of the label."""
    return any(
        target == name if isinstance(target, str) else target.name == name and value_passes(target, value)
        for target in targets
    )


def gates_of(predicate: LabelPredicate) -> list[Gate]:
    """The comparisons of texts that every line must pass; a find that fails one drops its line at once."""
    match predicate:
        case AllOf(terms):
            return [gate for term in terms for gate in gates_of(term)]
        case StringPredicate(matcher) if matcher.name not in (ERROR, ERROR_DETAILS):
            return [(matcher.name, lambda value: value_passes(matcher, value))]
        case _:
            return []


def names_of(predicate: LabelPredicate) -> set[str]:
    """The labels that a filter looks at."""
    match predicate:
        case AllOf(terms) | AnyOf(terms):
            return {name for term in terms for name in names_of(term)}
        case StringPredicate(matcher):
            return {matcher.name}
        case _:
            return {predicate.name}
